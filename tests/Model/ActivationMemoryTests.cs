using Conformance.Model;
using Dnabert2;
using Dnabert2.Training;
using Engine.Autograd;
using Engine.Kernels;
using Engine.Runtime;

namespace Tests.Model;

/// <summary>What passes of the 117M shape take, in units of a hidden state [tokens, hidden].</summary>
public sealed class ActivationMemoryTests
{
    private static readonly int[] Lengths = [64, 0, 128, 64];
    private static readonly int Tokens = Lengths.Sum();

    [Fact]
    public void In_inference_an_encoder_takes_five_hidden_states_whatever_its_depth()
    {
        foreach (int layers in (int[])[1, 2])
        {
            using Backend backend = CpuBackend.Create(2);
            using Dnabert2Model model = Model(backend, layers, set => set.FillPacked((_, _, values) => values.Clear()));
            using var arena = new Arena(backend);
            Batch batch = BatchIn(arena);
            long inputs = arena.HighWater;
            model.Encoder.Forward(Tape.ForInference(arena), batch);
            Assert.Equal(5, States(arena.HighWater - inputs, model));
        }
    }

    [Fact]
    public void In_training_a_layer_keeps_twenty_hidden_states_and_logits_give_their_place_to_their_gradient()
    {
        (double activations, double gradients) = Train(layers: 1);
        (double ofTwo, double gradientsOfTwo) = Train(layers: 2);
        Assert.InRange(ofTwo - activations, 19.5, 20.1);
        Assert.Equal(gradients, gradientsOfTwo);
        // A fourth of the tokens is masked: the hidden states of these, before and after the head's normalisation, are a quarter each.
        Assert.InRange(gradients, 6, 6.5);
    }

    private static (double Activations, double Gradients) Train(int layers)
    {
        using Backend backend = CpuBackend.Create(2);
        using Dnabert2Model model = Model(backend, layers, set => set.FillFlat((_, _, values) => values.Clear()));
        model.Parameters.AllocateGradients();
        using Arena activations = new(backend), gradients = new(backend);
        var tape = Tape.ForTraining(activations, gradients);
        Batch batch = BatchIn(activations);
        Tensor rows = activations.Rent(new Shape(Tokens / 4), DType.I32);
        backend.Upload<int>([.. Enumerable.Range(0, Tokens / 4).Select(i => 4 * i)], rows);
        tape.Backward(Objectives.MaskedLanguageModel(model, tape, batch, rows, labels: rows, tape.Number(1)));
        return (States(activations.HighWater, model), States(gradients.HighWater, model));
    }

    private static double States(long bytes, Dnabert2Model model) => bytes / (4.0 * Tokens * model.Config.HiddenSize);

    private static Dnabert2Model Model(Backend backend, int layers, Action<ParameterSet> fill) =>
        Dnabert2Model.Make(new Dnabert2Config { NumHiddenLayers = layers }, Golden.TinyTokenizer(), backend, ModelParts.MlmHead, fill);

    private static Batch BatchIn(Arena arena) => new(arena, [.. Enumerable.Range(0, Tokens).Select(i => 5 + (i % 100))], Lengths);
}
