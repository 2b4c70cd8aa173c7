using System.Text.Json.Nodes;
using Dnabert2.Weights;
using Engine.Kernels;
using Tests.Tools;
using Tests.Weights;

namespace Tests.Folders;

/// <summary>One model in every kind of folder: whatever takes a model takes each of them, and finds the same.</summary>
public sealed class EveryFolderTests : IDisposable
{
    private readonly TempFolder _folder = new();
    private readonly string[] _vectors;

    public EveryFolderTests()
    {
        ToyModel.Write(_folder["plain"]);
        _vectors = Embed("plain");
    }

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Weights_in_several_files_are_those_of_one_file_for_every_verb()
    {
        Shards();
        Assert.Equal(_vectors, Embed("shards"));
        ToolRun info = ToolRun.Of("info", _folder["shards"]).Succeeds();
        Assert.Contains("nothing; all weights are there and finite", info.Text, StringComparison.Ordinal);
        ToolRun.Of("convert", _folder["shards"], "-o", _folder["one"]).Succeeds();
        Assert.Equal(_vectors, Embed("one"));
        ToolRun.Of("convert", _folder["shards"], "-o", _folder["half"], "--dtype", "bf16").Succeeds();
        ToolRun.Of("convert", _folder["plain"], "-o", _folder["expected"], "--dtype", "bf16").Succeeds();
        Assert.Equal(Embed("expected"), Embed("half"));
    }

    [Theory]
    [InlineData("missing", "part-2.safetensors")]
    [InlineData("elsewhere", "is in part-2.safetensors; it is in part-1.safetensors")]
    [InlineData("outside", "is not a plain file name")]
    [InlineData("unnamed", "does not name")]
    public void An_index_that_is_not_of_its_files_is_refused_by_name(string fault, string message)
    {
        Shards();
        string path = _folder["shards/model.safetensors.index.json"];
        JsonNode index = JsonNode.Parse(File.ReadAllBytes(path))!;
        JsonObject map = index["weight_map"]!.AsObject();
        string first = map.First(name => (string?)name.Value == "part-1.safetensors").Key;
        if (fault == "missing") File.Delete(_folder["shards/part-2.safetensors"]);
        if (fault == "elsewhere") map[first] = "part-2.safetensors";
        if (fault == "outside") map[first] = "../plain/model.safetensors";
        if (fault == "unnamed") map.Remove(first);
        File.WriteAllText(path, index.ToJsonString());
        foreach (string[] line in (string[][])[["embed", ToyModel.SamplePath, "--model", _folder["shards"]], ["info", _folder["shards"]]])
        {
            ToolRun run = ToolRun.Of(line);
            Assert.Equal(1, run.Code);
            Assert.Contains(message, run.Error + run.Text, StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData("module.")]
    [InlineData("_orig_mod.")]
    [InlineData("module._orig_mod.")]
    [InlineData("base_model.model.")]
    public void Names_with_wrappers_in_front_are_those_of_the_model(string wrapper)
    {
        int count = 0;
        // Of some tensors alone as well, as where only the encoder was wrapped.
        Rewrite("wrapped", name => count++ % 3 == 0 ? name : wrapper + name);
        Assert.Equal(_vectors, Embed("wrapped"));
    }

    [Fact]
    public void A_run_of_pre_training_stands_for_its_last_checkpoint_and_says_so()
    {
        ToolRun.Of(
            "pretrain", ToyModel.SamplePath, "--from", _folder["plain"], "-o", _folder["run"], "--steps", "2", "--batch", "4", "--warmup",
            "0", "--lr", "1e-4",
            "--max-bases", "100", "--held-out", "0", "--threads", "1").Succeeds();
        string last = _folder["run/checkpoints/step-00000002"];
        string[] expected = ToolRun.Of("embed", ToyModel.SamplePath, "--model", last).Succeeds().Lines;
        ToolRun run = ToolRun.Of("embed", ToyModel.SamplePath, "--model", _folder["run"]).Succeeds();
        Assert.Equal(expected, run.Lines);
        Assert.NotEqual(_vectors, run.Lines);
        Assert.Contains("the last checkpoint, step-00000002, is taken", run.Error, StringComparison.Ordinal);
        Assert.Contains("step-00000002", ToolRun.Of("info", _folder["run"]).Succeeds().Text, StringComparison.Ordinal);
        ToolRun.Of("convert", _folder["run"], "-o", _folder["plain-of-run"]).Succeeds();
        Assert.Equal(expected, Embed("plain-of-run"));
    }

    [Theory]
    [InlineData("embed")]
    [InlineData("convert")]
    [InlineData("merge-lora")]
    [InlineData("info")]
    public void The_base_of_an_adapter_that_was_moved_may_be_given(string verb)
    {
        using var adapter = new PlainAdapter();
        adapter.Add(PlainAdapter.First, 2).Add(PlainAdapter.Second, 2);
        adapter.Config["base_model_name_or_path"] = "nowhere/to-be-found";
        adapter.Write();
        string[] line = verb switch
        {
            "embed" => ["embed", ToyModel.SamplePath, "--model", adapter.Folder],
            "info" => ["info", adapter.Folder],
            _ => [verb, adapter.Folder, "-o", _folder["out"]],
        };
        ToolRun lost = ToolRun.Of(line);
        Assert.Equal(1, lost.Code);
        Assert.Contains("nowhere/to-be-found", lost.Error + lost.Text, StringComparison.Ordinal);
        ToolRun.Of([.. line, "--base", adapter.Base]).Succeeds();
        if (verb is not ("convert" or "merge-lora")) return;
        string[] expected = ToolRun.Of("embed", ToyModel.SamplePath, "--model", adapter.Folder, "--base", adapter.Base).Succeeds().Lines;
        Assert.Equal(expected, Embed("out"));
    }

    private string[] Embed(string name) => ToolRun.Of("embed", ToyModel.SamplePath, "--model", _folder[name]).Succeeds().Lines;

    /// <summary>The plain model in two files with an index.</summary>
    private void Shards()
    {
        Rewrite("shards", name => name, name => name.Contains("layer.1.", StringComparison.Ordinal)
            ? "part-2.safetensors" : "part-1.safetensors");
    }

    /// <summary>Copies the plain model, with other names of its tensors or in several files.</summary>
    private void Rewrite(string folder, Func<string, string> rename, Func<string, string>? fileOf = null)
    {
        Directory.CreateDirectory(_folder[folder]);
        foreach (string file in (string[])["config.json", "tokenizer.json"])
            File.Copy(_folder["plain/" + file], _folder[$"{folder}/{file}"]);
        using WeightFile weights = WeightFile.Open(_folder["plain/model.safetensors"]);
        var map = new JsonObject();
        foreach (IGrouping<string, WeightEntry> part in weights.Entries.GroupBy(
            e => fileOf?.Invoke(e.Name) ?? "model.safetensors").ToArray())
        {
            (WeightEntry Entry, string Name)[] named = [.. part.Select(e => (e, rename(e.Name)))];
            using var writer = new SafetensorsWriter(
                _folder[$"{folder}/{part.Key}"], named.Select(n => new WeightEntry(n.Name, DType.F32, n.Entry.Shape!.Value)));
            foreach ((WeightEntry entry, string name) in named)
            {
                float[] values = new float[entry.Count];
                weights.Read(entry, values);
                writer.Write(name, System.Runtime.InteropServices.MemoryMarshal.AsBytes(values.AsSpan()));
                map[name] = part.Key;
            }

            writer.Commit();
        }

        if (fileOf is not null)
            File.WriteAllText(_folder[folder + "/model.safetensors.index.json"], new JsonObject { ["weight_map"] = map }.ToJsonString());
    }
}
