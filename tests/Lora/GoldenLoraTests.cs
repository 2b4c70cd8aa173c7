using Conformance.Model;
using Dnabert2;
using Dnabert2.Adapters;
using Engine.Autograd;
using Engine.Kernels;
using Engine.Runtime;
using Tests.Model;

namespace Tests.Lora;

public class GoldenLoraTests
{
    private const double Scale = 2;
    private static readonly LoraOptions Options =
        new() { Rank = 4, Alpha = 4 * Scale, Dropout = 0, Targets = ["Wqkv", "attention.output.dense", "mlp.*"] };

    /// <summary>
    /// Frozen weights W − s B A with an addition s B A are the reference's weights W: logits and loss are the reference's, and by the chain
    /// rule dA = s Bᵀ dW and dB = s dW Aᵀ, with the reference's dW.
    /// </summary>
    [Theory]
    [InlineData("tiny12h", false)]
    [InlineData("tiny3h", false)]
    [InlineData("tiny12h", true)]
    public void With_weights_taken_apart_loss_and_gradients_of_the_additions_are_those_of_the_reference(string name, bool recompute)
    {
        var golden = new Golden(SharedData.Golden(name));
        var factors = new Dictionary<string, (double[] A, double[] B)>();
        using var run = new GoldenTraining(golden, "cls", recompute, prepare: model =>
        {
            Dnabert2.Adapters.Lora.Attach(model, Options, ModelParts.Classifier);
            foreach (Linear layer in model.Encoder.Linears)
                factors.Add(layer.Prefix, (Random(layer.Addition!.Down), Random(layer.Addition.Up)));
        }, source: (p, index, values) =>
        {
            string layer = p.Name[..p.Name.LastIndexOf('.')];
            if (p.Kind == ParameterKind.LowRankDown) Copy(factors[layer.Replace(".lora_A", "", StringComparison.Ordinal)].A, values);
            else if (p.Kind == ParameterKind.LowRankUp) Copy(factors[layer.Replace(".lora_B", "", StringComparison.Ordinal)].B, values);
            else golden.Fill(p, index, values);
            if (!p.Name.EndsWith(".weight", StringComparison.Ordinal) || !factors.TryGetValue(layer, out (double[] A, double[] B) f))
                return;
            int outputs = p.Shape[0], inputs = p.Shape[1];
            for (int i = 0; i < values.Length; i++)
                for (int k = 0; k < Options.Rank; k++)
                    values[i] -= (float)(Scale * f.B[((i / inputs) * Options.Rank) + k] * f.A[(k * inputs) + (i % inputs)]);
        });
        Assert.Equal((4 * golden.Config.NumHiddenLayers * 2) + 2, run.Model.Parameters.Parameters.Count(p => p.IsTrained));
        Near(golden.Value("cls_loss"), run.Backward(golden.Root), 2e-5, "loss");
        foreach (Linear layer in run.Model.Encoder.Linears)
        {
            double[] dw = [.. Golden.Flatten(golden.Root.GetProperty("grad_cls").GetProperty(layer.Prefix + ".weight"))];
            (double[] a, double[] b) = factors[layer.Prefix];
            int outputs = layer.Weight.Shape[0], inputs = layer.Weight.Shape[1], r = Options.Rank;
            double[] da = new double[a.Length], db = new double[b.Length];
            for (int o = 0; o < outputs; o++)
                for (int i = 0; i < inputs; i++)
                    for (int k = 0; k < r; k++)
                    {
                        da[(k * inputs) + i] += Scale * b[(o * r) + k] * dw[(o * inputs) + i];
                        db[(o * r) + k] += Scale * dw[(o * inputs) + i] * a[(k * inputs) + i];
                    }

            Near(da, run.Read(layer.Addition!.Down.Gradient), layer.Addition.Down.Name);
            Near(db, run.Read(layer.Addition.Up.Gradient), layer.Addition.Up.Name);
            Assert.Throws<InvalidOperationException>(() => layer.Weight.Gradient);
        }

        foreach (string head in (string[])["classifier.weight", "classifier.bias"])
            Near([.. Golden.Flatten(golden.Root.GetProperty("grad_cls").GetProperty(head))], run.Read(run.Find(head)!.Gradient), head);
    }

    /// <summary>
    /// The adapters in the golden folder's weight file are those after the last step. Those before the first follow the rule of all golden
    /// weights, with t = 5000, 5001, … in the order of the file, A of amplitude 0.5 and B of 0.3: with them, and only with them, every loss
    /// of the trajectory comes out.
    /// </summary>
    [Fact]
    public void Twenty_steps_of_adapters_and_classifier_follow_the_trajectory_of_the_reference()
    {
        using var golden = new Golden(SharedData.Golden("train_cls_lora"), batched: true);
        uint factors = 0;
        using var run = new GoldenTraining(
            golden, "cls", recompute: false, prepare: model => Dnabert2.Adapters.Lora.Attach(model, Options, ModelParts.Classifier),
            source: (p, index, values) =>
            {
                if (!Dnabert2.Adapters.Lora.IsFactor(p)) golden.Fill(p, index, values);
                else Golden.Fill(5000 + factors++, p.Kind == ParameterKind.LowRankDown ? 0.5 : 0.3, 0, values);
            });
        GoldenTrainingChecks.Trajectory(run);
        Assert.Equal(24u, factors);
    }

    [Fact]
    public void Frozen_weights_have_no_gradient_and_no_moment_and_factors_begin_as_in_PEFT()
    {
        using Backend backend = CpuBackend.Create(1);
        using var set = new ParameterSet(backend);
        Linear linear = Linear.Declare(set, "l", 100, 50), trained = Linear.Declare(set, "t", 3, 5);
        linear.Add(set, rank: 4, scale: 1, dropout: 0);
        linear.Weight.IsFrozen = linear.Bias!.IsFrozen = true;
        set.FillFlat(Initialization.Normal(1, 0.02f));
        set.AllocateGradients();
        // 3 · 5, 5, 4 · 100 and 50 · 4 elements, each in cache lines of 16.
        Assert.Equal(16 + 16 + 400 + 208, set.Gradients.Count);
        Assert.Equal(set.Gradients.Count + 5000 + 8 + 64, set.Values.Count);
        Assert.Equal(set.Gradients.Count, new AdamW(set, new AdamWOptions()).FirstMoment.Count);
        Assert.Throws<InvalidOperationException>(() => linear.Weight.Gradient);
        Assert.True(trained.Weight.IsTrained);
        float[] a = linear.Addition!.Down.Value.Span<float>().ToArray();
        Assert.All(a, v => Assert.InRange(v, -0.1f, 0.1f));
        Assert.InRange(a.Max(), 0.095f, 0.1f);
        Assert.InRange(a.Min(), -0.1f, -0.095f);
        Assert.InRange(a.Average(), -0.01, 0.01);
        Assert.All(linear.Addition.Up.Value.Span<float>().ToArray(), v => Assert.Equal(0, v));
    }

    private static double[] Random(Parameter p)
    {
        var values = new float[p.Shape.Count];
        new Philox(5, (uint)p.Name.Length, (uint)p.Name.Sum(c => c)).FillNormal(values, 0.2f);
        return Array.ConvertAll(values, v => (double)v);
    }

    private static void Copy(double[] source, Span<float> destination)
    {
        for (int i = 0; i < source.Length; i++) destination[i] = (float)source[i];
    }

    private static void Near(double[] expected, float[] actual, string what)
    {
        double norm = Math.Sqrt(expected.Sum(v => v * v)), error = Math.Sqrt(expected.Zip(actual, (e, a) => (e - a) * (e - a)).Sum());
        Assert.True(error <= 2e-5 * Math.Max(norm, 1e-3), $"{what}: error {error:G3} of norm {norm:G3}");
    }

    private static void Near(double expected, double actual, double relative, string what) =>
        Assert.True(Math.Abs(expected - actual) <= relative * Math.Abs(expected), $"{what}: {actual:G9}, expected {expected:G9}");
}
