using Engine.Autograd;
using Engine.Kernels;

namespace Conformance.Cases;

/// <summary>Segments of a model on a tape, which may be computed anew in the backward pass.</summary>
internal sealed class SegmentCases : OperationSuite
{
    public override IEnumerable<OperationCase> OnTape =>
        from inPlace in (bool[])[false, true]
        from preNorm in (bool[])[false, true]
        select new OperationCase(inPlace ? "Tape.RunInPlace" : "Tape.Run", preNorm ? "pre-norm" : "post-norm", (6, 7))
        {
            Declare = owner =>
            {
                var block = new Block(owner.Set, preNorm);
                return (inputs, x) => inPlace
                    ? inputs.Tape.RunInPlace(block, x[0], inputs.Borders(6))
                    : inputs.Tape.Run(block, x[0], inputs.Borders(6));
            },
            Reference = (x, p, _) => Block.Reference(x[0], p, preNorm),
            InPlace = inPlace ? 0 : -1,
        };

    /// <summary>A block of a model, normalised before or after, which works in place where it may.</summary>
    private sealed class Block(ParameterSet set, bool preNorm) : ISegment
    {
        private const float Epsilon = 1e-3f;
        private readonly Linear _linear = Linear.Declare(set, "linear", 7, 7, Activation.Gelu);
        private readonly LayerNorm _norm = LayerNorm.Declare(set, "norm", 7, Epsilon);

        public Variable Forward(Tape tape, Variable x, in CuSeqlens cuSeqlens)
        {
            Variable y = _linear.ForwardInPlace(tape, preNorm ? _norm.Forward(tape, x) : Tanh.Instance.Forward(tape, x), residual: x);
            return preNorm ? y : _norm.ForwardInPlace(tape, y);
        }

        public static double[] Reference(double[] x, double[][] p, bool preNorm)
        {
            double[] inner = preNorm ? Cases.Reference.LayerNorm(x, p[2], p[3], Epsilon) : Array.ConvertAll(x, Math.Tanh);
            double[] y = [.. LinearCases.Affine(inner, p[0], p[1], x.Length / 7, 7).Zip(x, (z, v) => Cases.Reference.Gelu(z) + v)];
            return preNorm ? y : Cases.Reference.LayerNorm(y, p[2], p[3], Epsilon);
        }
    }
}
