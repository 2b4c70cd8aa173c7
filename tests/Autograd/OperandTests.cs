using System.Reflection;
using Conformance.Cases;
using Dnabert2;
using Engine.Autograd;
using Engine.Kernels;
using Engine.Runtime;
using Tests.Baselines;
using Tests.Kernels;
using Tests.Model;

namespace Tests.Autograd;

/// <summary>
/// Operations leave their operands as they are, give results in memory of their own, and compute in inference what they compute in
/// training. Operations in place do what their names say and no more.
/// </summary>
public sealed class OperandTests
{
    // They make variables and compute nothing.
    // The last ones are of models that have no such thing, and throw.
    private static readonly string[] NoOperations =
    [
        "Tape.Record", "Tape.Track", "Variable.FromTensor", "CnnModel.Encode", "CnnModel.PredictTokens", "HyenaModel.PredictTokens",
    ];

    public static TheoryData<string, string> Cases()
    {
        var cases = new TheoryData<string, string>();
        foreach (string form in (string[])["cpu", "gpu"])
            foreach (OperationCase operation in AllCases())
                cases.Add(Backends.Row(new TheoryDataRow<string, string>(form, operation.ToString()), form));
        return cases;
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void Operands_stay_as_they_are_in_inference_and_in_training(string form, string name) =>
        CheckBothWays(form, AllCases().Single(c => c.ToString() == name));

    [Fact]
    public void Every_operation_of_the_public_api_has_a_case_and_those_of_the_engine_have_a_reference()
    {
        IEnumerable<string> operations = ((Assembly[])[typeof(Op).Assembly, typeof(Encoder).Assembly]).SelectMany(a => a.GetExportedTypes())
            .SelectMany(
                type => type.GetMethods(BindingFlags.Public | BindingFlags.Instance | BindingFlags.Static | BindingFlags.DeclaredOnly))
            .Where(method => !method.IsSpecialName && !method.IsAbstract && IsOperation(method))
            .Select(method => $"{method.DeclaringType!.Name.Split('`')[0]}.{method.Name}").Except(NoOperations);
        Assert.Equal(operations.Distinct().Order(), AllCases().Select(c => c.Method).Distinct().Order());
        Assert.All(OperationSuite.AllOnTape, c => Assert.NotNull(c.Reference));

        static bool IsOperation(MethodInfo method) =>
            method.ReturnType == typeof(Variable) || method.GetParameters().Any(p => p.ParameterType == typeof(Tape));
    }

    [Fact]
    public void A_block_with_normalisation_before_computes_in_inference_what_it_computes_in_training()
    {
        using Backend backend = CpuBackend.Create(2);
        using var set = new ParameterSet(backend);
        LayerNorm norm = LayerNorm.Declare(set, "norm", 7, 1e-3f);
        Linear up = Linear.Declare(set, "up", 7, 9, Activation.Gelu), down = Linear.Declare(set, "down", 9, 7);
        set.FillFlat(Initialization.Normal(5, 0.5f));
        using Arena activations = new(backend), gradients = new(backend), other = new(backend);
        float[] Run(Tape tape)
        {
            var inputs = new OperationInputs(tape);
            Variable x = inputs.Operand(0, (4, 7));
            return inputs.Floats(down.Forward(tape, up.Forward(tape, norm.Forward(tape, x)), residual: x).Data);
        }

        float[] training = Run(Tape.ForTraining(activations, gradients)), inference = Run(Tape.ForInference(other));
        for (int i = 0; i < training.Length; i++) Assert.Equal(training[i], inference[i], 1e-5f);
    }

    [Fact]
    public void An_operation_that_changes_its_operand_or_hands_it_out_as_its_result_is_found()
    {
        foreach ((string fault, Func<Tape, Variable, Variable> run) in (IEnumerable<(string, Func<Tape, Variable, Variable>)>)
            [("changed", Overwrite), ("result shares", (_, x) => x)])
        {
            var planted = new OperationCase("planted", fault, (5, 7)) { Declare = _ => (inputs, x) => run(inputs.Tape, x[0]) };
            Assert.Contains(
                fault, Assert.ThrowsAny<Xunit.Sdk.XunitException>(() => CheckBothWays("cpu", planted)).Message, StringComparison.Ordinal);
        }

        static Variable Overwrite(Tape tape, Variable x)
        {
            Variable y = Tanh.Instance.Forward(tape, x);
            if (!tape.IsTraining) tape.Backend.Run(new TanhForward(x.Data, x.Data));
            return y;
        }
    }

    private static IEnumerable<OperationCase> AllCases() =>
        [.. OperationSuite.AllOnTape, .. ModelOperationCases.All, .. BaselineOperationCases.All];

    private static void CheckBothWays(string form, OperationCase operation)
    {
        float[] inference = CheckInference(form, operation);
        foreach (bool recompute in (bool[])(form == "gpu" ? [false] : [false, true]))
        {
            float[] training = CheckTraining(form, operation, recompute);
            if (operation.Draws) continue;
            Assert.Equal(inference.Length, training.Length);
            for (int i = 0; i < training.Length; i++)
                Assert.True(Math.Abs(training[i] - inference[i]) <= 1e-5f * Math.Max(
                    1, Math.Abs(training[i])), $"{operation}: {training[i]} in training, {inference[i]} in inference");
        }
    }

    private static float[] CheckInference(string form, OperationCase operation)
    {
        using Backend backend = Create(form);
        using var set = new ParameterSet(backend);
        using var owner = new OperationOwner(set, isTraining: false);
        RunOperation run = operation.Declare(owner);
        set.FillPacked(Initialization.Normal(5, 0.5f));
        using var arena = new Arena(backend);
        var inputs = new OperationInputs(Tape.ForInference(arena));
        Variable[] operands = [.. operation.Operands.Select((shape, i) => inputs.Operand(i, shape))];
        Tensor y = run(inputs, operands).Data;
        float[] result = inputs.Floats(y);
        ExpectUnchanged("in inference", inputs.Changed(operation.InPlace));
        if (operation.InPlace >= 0) return result;

        // Another run gives the same: the operation has changed no parameter, and nothing of its own.
        Assert.Equal(inputs.Bytes(y), inputs.Bytes(run(inputs, operands).Data));
        backend.Clear(y);
        string[] shared = inputs.Changed();
        Assert.True(shared.Length == 0, $"in inference the result shares memory with {string.Join(", ", shared)}");
        return result;
    }

    private static float[] CheckTraining(string form, OperationCase operation, bool recompute)
    {
        using Backend backend = Create(form);
        using var set = new ParameterSet(backend);
        using var owner = new OperationOwner(set, isTraining: true);
        RunOperation run = operation.Declare(owner);
        set.FillFlat(Initialization.Normal(5, 0.5f));
        set.AllocateGradients();
        using Arena activations = new(backend), gradients = new(backend);
        var inputs = new OperationInputs(Tape.ForTraining(activations, gradients, recompute));
        if (set.Values.Count > 0) inputs.Remember("parameters", set.Values);
        Variable[] operands = [.. operation.Operands.Select((shape, i) => inputs.Operand(i, shape))];
        if (!operation.HasGradient)
        {
            Assert.Throws<NotSupportedException>(() => run(inputs, operands));
            operands = Array.ConvertAll(operands, operand => (Variable)operand.Data);
        }

        Variable y = run(inputs, operands);
        float[] result = inputs.Floats(y.Data);
        ExpectUnchanged("in training", inputs.Changed());
        if (!operation.HasGradient) return result;
        if (operation.IsLoss) inputs.Tape.Backward(y);
        else
        {
            Tensor dy = inputs.Tape.RentGradient(y.Data.Shape, DType.F32);
            backend.Upload<float>([.. Enumerable.Range(0, (int)dy.Count).Select(i => MathF.Sin(i))], dy);
            inputs.Tape.Backward(y, dy);
        }

        ExpectUnchanged("by the backward pass", inputs.Changed(operation.GradientInPlace));
        foreach (Variable operand in operands) Assert.False(
            inputs.Tape.GradientOf(operand).IsAbsent, $"{operation}: an operand got no gradient");
        if (operation.InPlace >= 0) return result;
        backend.Clear(y.Data);
        string[] shared = inputs.Changed(operation.GradientInPlace);
        Assert.True(shared.Length == 0, $"in training the result shares memory with {string.Join(", ", shared)}");
        return result;
    }

    private static void ExpectUnchanged(string when, string[] changed) =>
        Assert.True(changed.Length == 0, $"{string.Join(", ", changed)} changed {when}");

    private static Backend Create(string form) => form == "gpu" ? Backends.Create(form, 2) : CpuBackend.Create(2);
}
