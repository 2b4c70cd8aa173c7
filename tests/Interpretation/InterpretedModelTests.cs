using Dnabert2;
using Dnabert2.FineTuning;
using Dnabert2.Interpretation;
using Dnabert2.Training;
using Engine.Runtime;
using Tests.Folders;
using Tests.Tools;
using Tests.Weights;

namespace Tests.Interpretation;

public class InterpretedModelTests(ToyModel toy) : IClassFixture<ToyModel>
{
    [Fact]
    public void Folders_of_either_kind_are_told_apart_by_what_they_hold()
    {
        using var folder = new TempFolder();
        SmallModels.WriteFineTuned(folder["f"], maxTokens: 40);
        using (InterpretedModel tuned = InterpretedModel.Load(folder["f"]))
        {
            Assert.Equal((TaskKind.SingleLabel, 40, false), (tuned.Task, tuned.MaxTokens, tuned.HasLikelihood));
            Assert.Equal(["none", "weak", "strong"], tuned.Labels);
            Assert.Equal(2, tuned.LabelOf("strong"));
        }

        SmallModels.WriteFineTuned(folder["r"], "regression");
        using (InterpretedModel value = InterpretedModel.Load(folder["r"]))
            Assert.Equal((TaskKind.Regression, "value"), (value.Task, value.Labels.Single()));
        using InterpretedModel pretrained = InterpretedModel.Load(toy.Folder);
        Assert.Equal((null, null, true), (pretrained.Task, pretrained.MaxTokens, pretrained.HasLikelihood));
        Assert.Empty(pretrained.Labels);
        TinyModels.Write("HyenaDNA", folder["h"]);
        using (InterpretedModel causal = InterpretedModel.Load(folder["h"]))
            Assert.Equal((null, true), (causal.Task, causal.HasLikelihood));
        Assert.Contains(
            "not fine-tuned", Assert.Throws<ArgumentException>(() => pretrained.LabelOf("x")).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_model_of_neither_kind_is_refused()
    {
        using var folder = new TempFolder();
        using (var backend = CpuBackend.Create(1))
        using (var model = Dnabert2Model.Initialize(
            SmallModels.Config, SmallModels.Tokenizer, seed: 1, backend, ModelParts.Encoder, trainable: true))
            ModelFolder.Save(model, folder["e"]);
        Assert.Contains("neither a classifier nor", Assert.Throws<InvalidDataException>(() => InterpretedModel.Load(folder["e"])).Message,
            StringComparison.Ordinal);
        Assert.Throws<DirectoryNotFoundException>(() => InterpretedModel.Load(folder["none"]));
    }

    [Fact]
    public void The_classes_have_the_logits_that_the_classifier_gives()
    {
        using var folder = new TempFolder();
        SmallModels.WriteFineTuned(folder["f"], maxTokens: 20);
        string dna = SmallModels.Dna(3, 150) + "NN" + SmallModels.Dna(4, 20);
        using ClassifierModel classifier = ClassifierModel.Load(folder["f"]);
        TokenSequences sequences = classifier.NewSequences();
        sequences.Add(System.Text.Encoding.ASCII.GetBytes(dna));
        string mutant = dna[..7] + (dna[7] == 'A' ? "G" : "A") + dna[8..];
        sequences.Add(System.Text.Encoding.ASCII.GetBytes(mutant));
        float[] logits = classifier.Logits(sequences);
        using InterpretedModel model = InterpretedModel.Load(folder["f"]);
        SubstitutionEffects effects = new Attribution(model, new AttributionOptions { Class = "weak", Region = new(null, 7, 8) })
            .Run(SmallModels.Records($">a\n{dna}\n")).Single();
        double expected = ClassScores.Probability(logits.AsSpan(3), 1, TaskKind.SingleLabel)
            - ClassScores.Probability(logits.AsSpan(0, 3), 1, TaskKind.SingleLabel);
        Assert.Equal(expected, effects.Effects.Span[dna[7] == 'A' ? 2 : 0], 1e-6);
        Assert.NotEqual(0, expected);
    }
}
