using Conformance.Cases;
using Engine.Autograd;
using Engine.Kernels;
using Engine.Runtime;
using Tests.Kernels;

namespace Tests.Autograd;

/// <summary>
/// Gradients of variables that several operations use: each operation in graphs where its operands or its result are used twice, against
/// central differences of the graph in float64.
/// </summary>
[Trait("Category", "Slow")]
public sealed class SharedVariableTests
{
    /// <summary>Where an operation stands in its graph.</summary>
    public enum Graph
    {
        /// <summary>Alone.</summary>
        Alone,

        /// <summary>Twice on the same operands.</summary>
        OperandsTwice,

        /// <summary>After another operation on each of its operands, and so before it in the backward pass.</summary>
        AfterAnother,

        /// <summary>Before another operation on each of its operands.</summary>
        BeforeAnother,

        /// <summary>Its operands are results as well.</summary>
        OperandsAreResults,

        /// <summary>Its result is used twice, by different operations.</summary>
        ResultTwice,

        /// <summary>Its result is both operands of one.</summary>
        ResultDoubled,

        /// <summary>Its result is added to an operand.</summary>
        OperandPlusResult,

        /// <summary>An operand is added to its result.</summary>
        ResultPlusOperand,

        /// <summary>Its operands are results that another operation needs in its backward pass.</summary>
        OfTanh,

        /// <summary>Its operands are sums of variables that are used twice.</summary>
        OfSums,
    }

    public static TheoryData<string, string> Cases()
    {
        var cases = new TheoryData<string, string>();
        foreach (string form in Backends.FormsWithGpu())
            foreach (OperationCase operation in OperationSuite.AllOnTape.Where(
                c => c.HasGradient)) cases.Add(form, operation.ToString());
        return cases;
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void Gradients_of_variables_with_several_uses_equal_central_differences(string form, string name)
    {
        OperationCase operation = OperationSuite.AllOnTape.Single(c => c.ToString() == name);
        bool segment = operation.Method.StartsWith("Tape.", StringComparison.Ordinal);
        // The interpreter is slow, and which buffer a gradient is in is decided above the backends.
        foreach (Graph graph in form == "gpu" ? [Graph.AfterAnother, Graph.OperandsAreResults] : Enum.GetValues<Graph>())
            foreach (bool recompute in (bool[])(segment && form != "gpu" ? [false, true] : [false]))
                if (IsPossible(operation, graph)) Compare(form, operation, graph, recompute);
    }

    [Fact]
    public void A_gradient_that_is_passed_to_both_operands_has_one_owner()
    {
        using var check = new GradientCheck(CpuBackend.Create(1));
        (Variable x, double[] xs) = check.Input("x", 3, 5);
        Variable dropped = new Dropout(check.Parameters, 0).Forward(check.Tape, x);
        check.Compare(Sum.Instance.Forward(
            check.Tape, x, Tanh.Instance.Forward(check.Tape, dropped)), () => Array.ConvertAll(xs, v => v + Math.Tanh(v)));
    }

    [Fact]
    public void A_loss_takes_no_gradient_and_a_pass_goes_back_once()
    {
        using var check = new GradientCheck(CpuBackend.Create(1));
        (Variable x, _) = check.Input("x", 2, 3);
        Tensor targets = check.Numbers([2, 3], 1, 2, 3, 4, 5, 6), gradient = check.Numbers([2, 3], 1, 1, 1, 1, 1, 1);
        Variable loss = SquaredError.Instance.Forward(check.Tape, x, targets, check.Tape.Number(1));
        Assert.Contains("SquaredError is a loss", Assert.Throws<NotSupportedException>(() => check.Tape.Backward(loss, gradient)).Message,
            StringComparison.Ordinal);
        check.Tape.Reset();
        x = check.Tape.Track(check.Numbers([2, 3], 1, 1, 1, 1, 1, 1));
        loss = SquaredError.Instance.Forward(check.Tape, x, check.Numbers([2, 3], 1, 2, 3, 4, 5, 6), check.Tape.Number(1));
        check.Tape.Backward(loss);
        Assert.Contains(
            "call Reset", Assert.Throws<InvalidOperationException>(() => check.Tape.Backward(loss)).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_segment_that_leads_nowhere_is_passed_over_and_one_that_uses_what_lies_outside_is_refused(bool recompute)
    {
        using var check = new GradientCheck(CpuBackend.Create(1), recompute);
        (Variable x, double[] xs) = check.Input("x", 3, 5);
        var borders = check.Arena.RentCuSeqlens([3]);
        check.Tape.Run(new Adding(x), x, borders);
        Variable y = check.Tape.Run(new Adding(x), Tanh.Instance.Forward(check.Tape, x), borders);
        Tensor dy = check.Tape.RentGradient(y.Data.Shape, DType.F32);
        Assert.Contains(
            "a segment", Assert.Throws<NotSupportedException>(() => check.Tape.Backward(y, dy)).Message, StringComparison.Ordinal);

        check.Tape.Reset();
        using var other = new GradientCheck(CpuBackend.Create(1), recompute);
        (x, xs) = other.Input("x", 3, 5);
        other.Tape.Run(new Adding(x.Data), x, borders);
        other.Compare(Tanh.Instance.Forward(other.Tape, x), () => Array.ConvertAll(xs, Math.Tanh));
    }

    private static bool IsPossible(OperationCase operation, Graph graph) => graph switch
    {
        Graph.Alone => true,
        Graph.OfTanh => operation.Operands.Length > 0 && operation.GradientInPlace < 0,
        Graph.OfSums => operation.Operands.Length > 0,
        _ when operation.IsLoss => false,
        Graph.OperandsTwice or Graph.ResultTwice or Graph.ResultDoubled => true,
        Graph.OperandPlusResult or Graph.ResultPlusOperand => operation.Like >= 0,
        _ => operation.Operands.Length > 0,
    };

    private static void Compare(string form, OperationCase operation, Graph graph, bool recompute)
    {
        using var check = new GradientCheck(Backends.Create(form, 2), recompute);
        using var owner = new OperationOwner(check.Parameters, isTraining: true);
        RunOperation run = operation.Declare(owner);
        double[][] parameters = check.Fill();
        (Variable Variable, double[] Values)[] operands =
            [.. operation.Operands.Select((shape, i) => check.Input($"operand {i} of {operation} in {graph}", shape.Rows, shape.Width))];
        var inputs = new OperationInputs(check.Tape);
        var onTape = new OnTape(check.Tape, x => run(inputs, x));
        var inNumbers = new InNumbers(x => operation.Reference!(x, parameters, check.Random));
        Variable y = Build(graph, onTape, Array.ConvertAll(operands, o => o.Variable), operation.Like);
        double[] Values() => Build(graph, inNumbers, Array.ConvertAll(operands, o => o.Values), operation.Like);
        if (operation.IsLoss) check.Compare(() => check.Tape.Backward(y), () => Values().Sum() * OperationInputs.LossScale);
        else check.Compare(y, Values);
    }

    private static T Build<T>(Graph graph, Algebra<T> a, T[] x, int like)
    {
        switch (graph)
        {
            case Graph.OperandsTwice: return a.Join([a.Run(x), a.Run(x)]);
            case Graph.AfterAnother:
                T[] before = Array.ConvertAll(x, a.Tanh);
                return a.Join([.. before, a.Run(x)]);
            case Graph.BeforeAnother:
                T first = a.Run(x);
                return a.Join([first, .. Array.ConvertAll(x, a.Tanh)]);
            case Graph.OperandsAreResults: return a.Join([.. x, a.Run(x)]);
            case Graph.ResultTwice:
                T y = a.Run(x);
                return a.Join([y, a.Tanh(y)]);
            case Graph.ResultDoubled:
                T doubled = a.Run(x);
                return a.Sum(a.Tanh(doubled), a.Sum(doubled, doubled));
            case Graph.OperandPlusResult: return a.Sum(x[like], a.Run(x));
            case Graph.ResultPlusOperand: return a.Sum(a.Run(x), x[like]);
            case Graph.OfTanh: return a.Run(Array.ConvertAll(x, a.Tanh));
            case Graph.OfSums: return a.Run(Array.ConvertAll(x, v => a.Sum(v, a.Tanh(v))));
            default: return a.Run(x);
        }
    }

    /// <summary>What graphs are built of.</summary>
    private abstract class Algebra<T>
    {
        public abstract T Run(T[] operands);

        public abstract T Tanh(T x);

        public abstract T Sum(T a, T b);

        public abstract T Join(T a, T b);

        public T Join(T[] all) => all.Aggregate(Join);
    }

    private sealed class OnTape(Tape tape, Func<Variable[], Variable> run) : Algebra<Variable>
    {
        public override Variable Run(Variable[] operands) => run(operands);

        public override Variable Tanh(Variable x) => Engine.Autograd.Tanh.Instance.Forward(tape, x);

        public override Variable Sum(Variable a, Variable b) => SharedVariableTests.Sum.Instance.Forward(tape, a, b);

        public override Variable Join(Variable a, Variable b) => Joined.Instance.Forward(tape, a, b);
    }

    private sealed class InNumbers(Func<double[][], double[]> run) : Algebra<double[]>
    {
        public override double[] Run(double[][] operands) => run(operands);

        public override double[] Tanh(double[] x) => Array.ConvertAll(x, Math.Tanh);

        public override double[] Sum(double[] a, double[] b) => [.. a.Zip(b, (v, w) => v + w)];

        public override double[] Join(double[] a, double[] b)
        {
            var y = new double[Joined.Padded(a.Length) + b.Length];
            a.CopyTo(y, 0);
            b.CopyTo(y, Joined.Padded(a.Length));
            return y;
        }
    }

    /// <summary>A sum, whose gradient is passed to both operands as it is.</summary>
    private sealed class Sum : Op
    {
        public static readonly Sum Instance = new();

        public Variable Forward(Tape tape, Variable a, Variable b)
        {
            Tensor y = tape.Rent(a.Data.Shape[0], a.Data.Shape[1]);
            tape.Backend.Run(new Add(a.Data, b.Data, y));
            return tape.Record(this, y, a, b);
        }

        protected internal override void Backward(Tape tape, in TapeEntry entry)
        {
            tape.Pass(entry.A, tape.GradientOf(entry.Output));
            tape.Pass(entry.B, tape.GradientOf(entry.Output));
        }
    }

    /// <summary>One tensor behind the other, whose gradients are parts of one buffer.</summary>
    private sealed class Joined : Op
    {
        public static readonly Joined Instance = new();

        /// <summary>Parts begin where the memory of tensors does.</summary>
        public static int Padded(long count) => (int)((count + 63) / 64 * 64);

        public Variable Forward(Tape tape, Variable a, Variable b)
        {
            int start = Padded(a.Data.Count);
            Tensor y = tape.Rent(1, start + (int)b.Data.Count);
            tape.Backend.Clear(y);
            tape.Backend.Copy(a.Data, y.Slice(0, a.Data.Shape));
            tape.Backend.Copy(b.Data, y.Slice(start, b.Data.Shape));
            return tape.Record(this, y, a, b);
        }

        protected internal override void Backward(Tape tape, in TapeEntry entry)
        {
            Tensor dy = tape.GradientOf(entry.Output);
            tape.Pass(entry.A, dy.Slice(0, entry.A.Data.Shape));
            tape.Pass(entry.B, dy.Slice(Padded(entry.A.Data.Count), entry.B.Data.Shape));
        }
    }

    /// <summary>Adds a variable that is no operand of the segment.</summary>
    private sealed class Adding(Variable other) : ISegment
    {
        public Variable Forward(Tape tape, Variable x, in CuSeqlens cuSeqlens) =>
            Sum.Instance.Forward(tape, Tanh.Instance.Forward(tape, x), other);
    }
}
