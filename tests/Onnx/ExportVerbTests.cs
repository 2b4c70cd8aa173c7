using Dnabert2;
using Dnabert2.Cnn;
using Dnabert2.Folders;
using Dnabert2.Onnx;
using Dnabert2.Tokenizers;
using Dnabert2.Training;
using Engine.Runtime;
using Tests.Folders;
using Tests.Tools;
using Tests.Training;
using Tests.Weights;

namespace Tests.Onnx;

/// <summary>What the verb says, and what it refuses.</summary>
public sealed class ExportVerbTests(ToyModel toy) : IClassFixture<ToyModel>, IDisposable
{
    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void An_export_says_what_is_in_it_and_replaces_what_was_there_as_a_whole()
    {
        _folder.Write("m.onnx", "before"u8);
        ToolRun run = ToolRun.Of("export", toy.Folder, "-o", _folder["m.onnx"]).Succeeds();
        Assert.EndsWith("MB; outputs last_hidden_state, embedding, logits of the language model\n", run.Error, StringComparison.Ordinal);
        Assert.Equal(["m.onnx"], _folder.Names);
        // The first field of ModelProto is its version.
        Assert.Equal([0x08, 8], File.ReadAllBytes(_folder["m.onnx"])[..2]);
        Assert.Empty(ToolRun.Of("export", toy.Folder, "-o", _folder["m.onnx"], "--head", "none", "-q").Succeeds().Error);
    }

    [Fact]
    public void What_cannot_be_written_is_refused_with_the_way_out_and_leaves_nothing()
    {
        Fails(2, "name a .onnx file", "export", toy.Folder, "-o", _folder["model"]);
        Fails(1, "no: no such folder", "export", _folder["no"], "-o", _folder["m.onnx"]);
        Fails(1, "there is no folder " + _folder["no"], "export", toy.Folder, "-o", _folder["no/m.onnx"]);
        Fails(1, "has no classifier: fine-tune the model first", "export", toy.Folder, "-o", _folder["m.onnx"], "--head", "classifier");
        Fails(2, "--length 0: expected a whole number", "export", toy.Folder, "-o", _folder["m.onnx"], "--length", "0");
        Fails(2, "it has no base", "export", toy.Folder, "-o", _folder["m.onnx"], "--base", "default");
        string model = Path.Combine(toy.Folder, "model.onnx");
        Directory.CreateSymbolicLink(model, Path.Combine(toy.Folder, "model.safetensors"));
        Fails(2, "this is a file of the model", "export", toy.Folder, "-o", model);
        File.Delete(model);
        Assert.Empty(_folder.Names);
    }

    [Fact]
    public void A_length_that_the_model_does_not_take_is_refused_by_the_name_of_the_option()
    {
        TinyModels.Write("DNABERT", _folder["dnabert"]);
        string message = "--length is 25, and this model takes from 1 to 24 tokens";
        Fails(1, message, "export", _folder["dnabert"], "-o", _folder["m.onnx"], "--length", "25");
        using (CnnModel network = CnnModel.Initialize(
            LetterVocabulary.FromSequences([new string('A', 60)]), 2, seed: 1, trainable: true))
            ModelFolder.Save(network, _folder["cnn"]);
        Fails(1, "--length is 24: rows of this model have 62 tokens", "export", _folder["cnn"], "-o", _folder["m.onnx"], "--length", "24");
        Fails(1, "has no head of a language model", "export", _folder["cnn"], "-o", _folder["m.onnx"], "--head", "language-model");
    }

    [Fact]
    public void An_attention_of_a_programs_own_is_refused_and_a_cancelled_export_leaves_nothing()
    {
        var own = SelfAttention.Of("decay:50", new AttentionVariant.DistanceDecay(50));
        using Backend backend = CpuBackend.Create(1);
        using (var model = Dnabert2Model.Initialize(Toy.Config with { Attention = own }, Toy.Tokenizer, 7, backend, trainable: true))
            ModelFolder.Save(model, _folder["own"]);
        Assert.StartsWith("attention decay:50 is a program's own", Assert.Throws<NotSupportedException>(
            () => OnnxExport.Write(ModelSource.Open(_folder["own"], attention: own), _folder["m.onnx"])).Message, StringComparison.Ordinal);
        Assert.Throws<OperationCanceledException>(
            () => OnnxExport.Write(ModelSource.Open(toy.Folder), _folder["m.onnx"], null, new CancellationToken(canceled: true)));
        Assert.Empty(_folder.Names);
    }

    private void Fails(int code, string message, params string[] line)
    {
        ToolRun run = ToolRun.Of(line);
        Assert.Equal(code, run.Code);
        Assert.Contains(message, run.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("should not have happened", run.Error, StringComparison.Ordinal);
    }
}
