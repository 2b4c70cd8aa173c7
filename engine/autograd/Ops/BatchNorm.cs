using Engine.Kernels;
using Engine.Runtime;

namespace Engine.Autograd;

/// <summary>
/// Batch normalisation of each channel: in training with the statistics of the batch, in inference with running ones (PyTorch's
/// BatchNorm1d). A pass in training leaves the running statistics as they are; <see cref="UpdateRunningStatistics"/> moves them towards
/// those of the last one.
/// </summary>
public sealed class BatchNorm : Op
{
    private readonly float _epsilon;
    private readonly Backend _backend;
    private readonly Tensor _last;

    private BatchNorm(ParameterSet set, string name, int channels, float epsilon)
    {
        Weight = set.Declare(name + ".weight", ParameterKind.NormWeight, channels);
        Bias = set.Declare(name + ".bias", ParameterKind.NormBias, channels);
        RunningMean = set.Declare(name + ".running_mean", ParameterKind.NormBias, channels);
        RunningVariance = set.Declare(name + ".running_var", ParameterKind.NormWeight, channels);
        RunningMean.IsFrozen = RunningVariance.IsFrozen = true;
        (_epsilon, _backend) = (epsilon, set.Backend);
        _last = set.Arena.Rent(new Shape(3, channels), DType.F32);
    }

    /// <summary>[channels].</summary>
    public Parameter Weight { get; }

    /// <summary>[channels].</summary>
    public Parameter Bias { get; }

    /// <summary>[channels]; frozen, since no gradient flows to it.</summary>
    public Parameter RunningMean { get; }

    /// <summary>[channels], unbiased; frozen.</summary>
    public Parameter RunningVariance { get; }

    /// <inheritdoc/>
    public override bool IsTrained => Weight.IsTrained || Bias.IsTrained;

    /// <summary>Declares <c>NAME.weight</c>, <c>NAME.bias</c>, <c>NAME.running_mean</c> and <c>NAME.running_var</c>.</summary>
    public static BatchNorm Declare(ParameterSet set, string name, int channels, float epsilon)
    {
        ArgumentNullException.ThrowIfNull(set);
        return new(set, name, channels, epsilon);
    }

    /// <summary>[rows, channels] → [rows, channels]; in training at least two rows.</summary>
    public Variable Forward(Tape tape, Variable x)
    {
        ArgumentNullException.ThrowIfNull(tape);
        return Forward(tape, x, tape.Rent(x.Data.Shape[0], x.Data.Shape[1], x.Data.DType));
    }

    /// <summary>
    /// The same as <see cref="Forward(Tape, Variable)"/>; in inference the result takes the place of x, which nothing may read afterwards.
    /// </summary>
    public Variable ForwardInPlace(Tape tape, Variable x)
    {
        ArgumentNullException.ThrowIfNull(tape);
        return tape.IsTraining ? Forward(tape, x) : Forward(tape, x, x.Data);
    }

    /// <summary>
    /// Moves the running statistics by a share towards those of the last pass in training: once after each, and never before the first.
    /// </summary>
    /// <param name="momentum">The share, from 0 to 1; PyTorch's is 0.1.</param>
    public void UpdateRunningStatistics(float momentum) =>
        _backend.Run(new RunningStatistics(_last, momentum, RunningMean.Value, RunningVariance.Value));

    /// <inheritdoc/>
    protected internal override void Backward(Tape tape, in TapeEntry entry)
    {
        Tensor dy = tape.GradientOf(entry.Output), dweight = Weight.IsTrained ? Weight.Gradient : default,
            dbias = Bias.IsTrained ? Bias.Gradient : default, dx = default;
        bool accumulate = entry.A.IsTracked && tape.Accumulate(entry.A, out dx);
        tape.Backend.Run(new BatchNormBackward(
            entry.A.Data, dy, Weight.Value, entry.Saved.First, _epsilon, dweight, dbias, accumulate, dx));
    }

    private Variable Forward(Tape tape, Variable x, Tensor y)
    {
        var norm = new Norm(Weight.Value, Bias.Value, _epsilon);
        if (!tape.IsTraining)
        {
            tape.Backend.Run(new BatchNormInference(x.Data, norm, RunningMean.Value, RunningVariance.Value, y));
            return y;
        }

        Tensor statistics = tape.Rent(3, x.Data.Shape[1], DType.F32);
        tape.Backend.Run(new BatchNormForward(x.Data, norm, statistics, y));
        tape.Backend.Copy(statistics, _last);
        return tape.Record(this, y, x, saved: (statistics, default, default, default));
    }
}
