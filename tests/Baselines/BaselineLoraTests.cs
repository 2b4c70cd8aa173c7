using System.Text.Json;
using Conformance.Cases;
using Conformance.Model;
using Dnabert2;
using Dnabert2.Adapters;
using Dnabert2.FineTuning;
using Dnabert2.Folders;
using Dnabert2.NucleotideTransformer;
using Dnabert2.Tokenizers;
using Dnabert2.Weights;
using Engine.Autograd;
using Engine.Kernels;
using Engine.Runtime;
using Tests.Folders;
using Tests.Weights;

namespace Tests.Baselines;

/// <summary>LoRA of the Nucleotide Transformer with the paper's targets, as PEFT 0.3 has it.</summary>
public sealed class BaselineLoraTests : IDisposable
{
    private const string Name = "nt_lora", Wrapper = "base_model.model.", Saved = ".modules_to_save.default.";
    private static readonly LoraOptions Options =
        new() { Rank = 8, Alpha = 16, Dropout = 0, Targets = ["query", "value", "key", "dense"] };

    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Loss_and_gradients_of_the_additions_and_of_the_classifier_equal_the_reference()
    {
        using BaselineRun run = Run();
        double loss = run.Backward(run.Golden.Root, "cls");
        Check.Near(run.Golden.Root.GetProperty("cls_loss").GetDouble(), loss, 2e-5, "loss");
        BaselineChecks.CompareGradients(run, "grad.", OwnName);
        Assert.Equal(
            run.Golden.Root.GetProperty("parameter_counts").GetProperty("used_in_forward").GetInt64(),
            run.Model.Parameters.Parameters.Where(p => p.IsTrained).Sum(p => p.Shape.Count));
    }

    [Fact]
    public void Twenty_steps_follow_the_trajectory_of_the_reference_and_end_with_its_logits_also_merged()
    {
        using BaselineRun run = Run();
        BaselineChecks.Trajectory(run, name => OwnName(name));
        run.Tape.Reset();
        PackedRows rows = run.Golden.Rows(run.Golden.Root, "cls_input_ids");
        Tensor logits = run.Model.Classify(run.Tape, rows.Upload(run.Tape.Activations)).Data;
        Check.Near(Numbers(run, "logits_after_training"), run.Read(logits), 5e-5, "logits after training");
        var adapter = new Tensors();
        foreach (Parameter p in run.Model.Parameters.Parameters.Where(p => p.IsTrained))
            adapter["base_model.model." + p.Name] = (Extents(p), run.Read(p.Value));
        Check.Near(Numbers(run, "logits_after_merge"), MergedLogits(run.Golden, adapter), 5e-5, "logits after merging");
    }

    /// <summary>The file is of the adapter before training.</summary>
    [Fact]
    public void An_adapter_of_PEFT_is_read_and_merged_with_its_base()
    {
        using var golden = new BaselineGolden(BaselineGoldenTests.Golden(Name));
        Tensors adapter = Tensors.Read(SharedData.Path($"golden/baselines/{Name}.adapter.safetensors"));
        Check.Near([.. Golden.Flatten(golden.Root.GetProperty("cls_logits"))], MergedLogits(golden, adapter), 2e-5, "logits");
    }

    [Fact]
    public void An_adapter_of_PEFT_is_a_classifier_that_takes_what_its_base_has_positions_for()
    {
        using var golden = new BaselineGolden(BaselineGoldenTests.Golden(Name));
        float[] expected = MergedLogits(golden, Tensors.Read(SharedData.Path($"golden/baselines/{Name}.adapter.safetensors")));
        using ClassifierModel classifier = ClassifierModel.Load(_folder["adapter"]);
        Assert.Equal(classifier.Model.MaxTokens, classifier.MaxTokens);
        Assert.Contains("the model has positions for no more", classifier.MaxTokensSource, StringComparison.Ordinal);
        using var arena = new Arena(classifier.Model.Backend);
        Tensor logits = classifier.Model.Classify(
            Tape.ForInference(arena), golden.Rows(golden.Root, "cls_input_ids").Upload(arena)).Data;
        var values = new float[logits.Count];
        classifier.Model.Backend.DownloadNumbers(logits, values);
        Assert.Equal(expected, values);
    }

    private float[] MergedLogits(BaselineGolden golden, Tensors adapter)
    {
        using Backend backend = CpuBackend.Create();
        Directory.CreateDirectory(_folder["base"]);
        Directory.CreateDirectory(_folder["adapter"]);
        using (FileStream tokens = File.Create(Path.Combine(_folder["base"], "vocab.txt")))
            new NucleotideTransformerTokenizer(3).Save(tokens);
        File.WriteAllText(Path.Combine(_folder["base"], "config.json"), golden.Root.GetProperty("config").GetRawText());
        BaseWeights(golden, backend).Write(Path.Combine(_folder["base"], "model.safetensors"));
        adapter.Write(Path.Combine(_folder["adapter"], "adapter_model.safetensors"));
        File.WriteAllText(Path.Combine(_folder["adapter"], "adapter_config.json"), """
            {"peft_type":"LORA","task_type":"SEQ_CLS","base_model_name_or_path":"../base","r":8,"lora_alpha":16,"lora_dropout":0.05,
            "target_modules":["query","value","key","dense"],"modules_to_save":["classifier"],"bias":"none","inference_mode":true}
            """);
        using SequenceModel model = ModelSource.Open(_folder["adapter"]).Load(backend);
        Assert.Equal(ModelParts.Classifier, model.Parts);
        Assert.Equal(2, model.NumLabels);
        using var arena = new Arena(backend);
        Tensor logits = model.Classify(Tape.ForInference(arena), golden.Rows(golden.Root, "cls_input_ids").Upload(arena)).Data;
        var values = new float[logits.Count];
        backend.DownloadNumbers(logits, values);
        return values;
    }

    private static Tensors BaseWeights(BaselineGolden golden, Backend backend)
    {
        using SequenceModel model = golden.Model(backend, ModelParts.Encoder, trainable: true);
        var tensors = new Tensors();
        foreach (Parameter p in model.Parameters.Parameters) tensors[p.Name] = (Extents(p), p.Value.Span<float>().ToArray());
        return tensors;
    }

    private static int[] Extents(Parameter p) => [.. Enumerable.Range(0, p.Shape.Rank).Select(i => p.Shape[i])];

    private static double[] Numbers(BaselineRun run, string name) => [.. Golden.Flatten(run.Golden.Root.GetProperty(name))];

    private static BaselineRun Run()
    {
        var golden = new BaselineGolden(BaselineGoldenTests.Golden(Name));
        JsonElement lora = golden.Root.GetProperty("lora");
        string[] factors = [.. lora.GetProperty("names_in_fill_order").EnumerateArray().Select(e => OwnName(e.GetString()!))];
        int first = lora.GetProperty("first_t").GetInt32();
        return new BaselineRun(
            golden, ModelParts.Classifier, training: true, CpuBackend.Create(),
            prepare: model => Dnabert2.Adapters.Lora.Attach(model, Options, ModelParts.Classifier),
            source: (p, index, values) =>
            {
                if (Array.IndexOf(factors, p.Name) is >= 0 and int at) golden.Fill(first + at, values);
                else golden.Fill(p, index, values);
            });
    }

    /// <summary>The name in the model of one that PEFT has given.</summary>
    private static string OwnName(string name) => name.Replace(Wrapper, "", StringComparison.Ordinal)
        .Replace(Saved, ".", StringComparison.Ordinal).Replace(".default.", ".", StringComparison.Ordinal);
}
