using System.Runtime.InteropServices;
using System.Text;
using Conformance.Model;
using Dnabert2;
using Dnabert2.Embeddings;
using Dnabert2.Weights;
using Engine.Autograd;
using Engine.Kernels;
using Engine.Runtime;
using Tests.Tools;
using Tests.Weights;

namespace Tests.Model;

public sealed class CheckpointTests : IDisposable
{
    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("pytorch_model.bin", 2e-5)]
    [InlineData("pytorch_model.legacy.bin", 2e-5)]
    [InlineData("pytorch_model.fp16.bin", 2e-2)]
    [InlineData("pytorch_model.bf16.bin", 2e-1)]
    public void A_hugging_face_folder_as_it_is_on_disk_gives_the_reference_outputs(string file, double tolerance)
    {
        using var golden = new Golden(SharedData.Golden("tiny12h"));
        string folder = GoldenFolder(golden);
        File.Copy(SharedData.Path("golden/torch_bin/" + file), Path.Combine(folder, "pytorch_model.bin"));
        Assert.Equal(0, MaximumError(folder, golden), tolerance);
    }

    [Fact]
    public void A_converted_checkpoint_loads_and_gives_the_reference_outputs()
    {
        using var golden = new Golden(SharedData.Golden("tiny12h"));
        string folder = GoldenFolder(golden);
        using (WeightFile bin = WeightFile.Open(SharedData.Path("golden/torch_bin/pytorch_model.bin")))
            bin.SaveAsSafetensors(Path.Combine(folder, "model.safetensors"));
        Assert.Equal(0, MaximumError(folder, golden), 2e-5);
    }

    [Fact]
    public void The_parts_that_the_weights_hold_are_found_and_need_not_all_be_loaded()
    {
        using var golden = new Golden(SharedData.Golden("tiny12h"));
        string folder = GoldenFolder(golden);
        File.Copy(SharedData.Path("golden/torch_bin/pytorch_model.bin"), Path.Combine(folder, "pytorch_model.bin"));
        using (Dnabert2Model all = Dnabert2Model.Load(folder))
            Assert.True(all is { Pooler: null, MlmHead: not null, Classifier: null });
        using Dnabert2Model encoder = Dnabert2Model.Load(folder, parts: ModelParts.Encoder);
        Assert.True(encoder is { Pooler: null, MlmHead: null, Classifier: null });
    }

    [Fact]
    public void Everything_missing_extra_and_mis_shaped_is_listed_at_once()
    {
        string folder = Toy(tensors =>
        {
            tensors.Remove("bert.encoder.layer.0.mlp.wo.bias");
            tensors.Remove("bert.embeddings.LayerNorm.weight");
            tensors["bert.encoder.layer.1.attention.self.Wqkv.bias"] = (new Shape(5), new float[5]);
            tensors["bert.encoder.layer.2.mlp.wo.bias"] = (new Shape(24), new float[24]);
        });
        string message = Assert.Throws<InvalidDataException>(() => Dnabert2Model.Load(folder)).Message;
        Assert.Contains("missing: bert.encoder.layer.0.mlp.wo.bias [24]", message, StringComparison.Ordinal);
        Assert.Contains("missing: bert.embeddings.LayerNorm.weight [24]", message, StringComparison.Ordinal);
        Assert.Contains(
            "mis-shaped: bert.encoder.layer.1.attention.self.Wqkv.bias F32 [5], expected [72]", message, StringComparison.Ordinal);
        Assert.Contains("extra: bert.encoder.layer.2.mlp.wo.bias F32 [24]", message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_decoder_that_is_not_the_word_embeddings_is_refused_and_an_equal_one_is_not()
    {
        float[] word = [];
        Shape shape = default;
        string equal = Toy(tensors =>
        {
            (shape, word) = tensors["bert.embeddings.word_embeddings.weight"];
            tensors["cls.predictions.decoder.weight"] = (shape, word);
        });
        Dnabert2Model.Load(equal).Dispose();
        string different =
            Toy(tensors => tensors["cls.predictions.decoder.weight"] = (shape, [.. word.Select((v, i) => i == 77 ? v + 1 : v)]));
        Assert.Contains("not tied: cls.predictions.decoder.weight",
            Assert.Throws<InvalidDataException>(() => Dnabert2Model.Load(different)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void An_encoder_saved_alone_without_the_prefix_loads()
    {
        string folder = Toy(tensors =>
        {
            foreach (string name in tensors.Keys.ToArray())
            {
                if (!name.StartsWith("bert.", StringComparison.Ordinal)) tensors.Remove(name);
                else if (tensors.Remove(name, out (Shape, float[]) value)) tensors[name[5..]] = value;
            }
        });
        using Dnabert2Model model = Dnabert2Model.Load(folder);
        Assert.Null(model.MlmHead);
        Assert.Equal(24, new Embedder(model).Embed(["ACGTTGCA"]).Width);
    }

    [Fact]
    public void A_value_that_is_not_finite_is_named_with_its_place()
    {
        string folder = Toy(tensors => tensors["bert.encoder.layer.1.mlp.wo.weight"].Values[33] = float.NaN);
        string message = Assert.Throws<InvalidDataException>(() => Dnabert2Model.Load(folder)).Message;
        Assert.Contains("bert.encoder.layer.1.mlp.wo.weight holds NaN at element 33", message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_failed_load_leaves_no_memory_behind()
    {
        using Backend backend = CpuBackend.Create(1);
        string folder = Toy(tensors => tensors["bert.encoder.layer.1.mlp.wo.weight"].Values[33] = float.PositiveInfinity);
        Assert.Throws<InvalidDataException>(() => Dnabert2Model.Load(folder, backend));
        string missing = Toy(tensors => tensors.Remove("bert.embeddings.LayerNorm.bias"));
        Assert.Throws<InvalidDataException>(() => Dnabert2Model.Load(missing, backend));
        Assert.Equal(0, backend.LiveStorages);
    }

    [Theory]
    [InlineData("", "is empty")]
    [InlineData("{", "not valid JSON")]
    [InlineData("[]", "it is Array, expected an object")]
    [InlineData("{}", "vocab_size is missing")]
    [InlineData(
        """{"vocab_size":256,"hidden_size":25,"num_hidden_layers":2,"num_attention_heads":3,"intermediate_size":40}""", "does not divide")]
    [InlineData("""{"vocab_size":256,"hidden_size":"24","num_hidden_layers":2,"num_attention_heads":3,"intermediate_size":40}""",
        "hidden_size is \"24\"")]
    [InlineData("""{"vocab_size":256,"hidden_size":99999999999,"num_hidden_layers":2,"num_attention_heads":3,"intermediate_size":40}""",
        "hidden_size is 99999999999")]
    [InlineData(
        """{"vocab_size":256,"hidden_size":24,"num_hidden_layers":2,"num_attention_heads":3,"intermediate_size":40,"hidden_act":"relu"}""",
        "hidden_act is \"relu\"")]
    [InlineData("""
        {"vocab_size":256,"hidden_size":24,"num_hidden_layers":2,"num_attention_heads":3,"intermediate_size":40,"hidden_dropout_prob":1.5}
        """, "hidden_dropout_prob is 1.5")]
    [InlineData("""{"vocab_size":20,"hidden_size":24,"num_hidden_layers":2,"num_attention_heads":3,"intermediate_size":40}""",
        "the tokenizer has 256 entries")]
    public void A_config_of_no_dnabert2_is_refused_by_key(string json, string message)
    {
        string folder = Toy(_ => { });
        File.WriteAllText(Path.Combine(folder, "config.json"), json);
        Assert.Contains(message, Assert.Throws<InvalidDataException>(() => Dnabert2Model.Load(folder)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Any_mutation_of_a_config_is_refused_or_read_and_never_anything_else()
    {
        using var stream = new MemoryStream();
        new Dnabert2Config().Save(stream);
        byte[] json = stream.ToArray();
        string path = _folder["mutated.json"];
        var random = new Random(5);
        int read = 0;
        for (int i = 0; i < 2000; i++)
        {
            byte[] mutated = [.. json];
            for (int n = random.Next(1, 4); n > 0; n--) mutated[random.Next(mutated.Length)] = (byte)random.Next(256);
            File.WriteAllBytes(path, mutated.AsSpan(0, random.Next(4) == 0 ? random.Next(mutated.Length) : mutated.Length).ToArray());
            try
            {
                Dnabert2Config.Load(path);
                read++;
            }
            catch (InvalidDataException)
            {
            }
        }

        Assert.InRange(read, 1, 1999);
    }

    [Fact]
    public void A_config_survives_saving_and_loading()
    {
        var config = new Dnabert2Config
        {
            HiddenSize = 48,
            NumAttentionHeads = 3,
            ClassifierDropout = 0.25f,
            NumLabels = 5,
            VocabSize = 99,
        };
        string path = _folder["saved.json"];
        using (FileStream file = File.Create(path)) config.Save(file);
        Assert.Equal(config, Dnabert2Config.Load(path));
    }

    private static double MaximumError(string folder, Golden golden)
    {
        using Backend backend = CpuBackend.Create();
        using Dnabert2Model model = Dnabert2Model.Load(folder, backend);
        using var arena = new Arena(backend);
        Tape tape = Tape.ForInference(arena);
        Batch batch = golden.Batch(arena);
        Tensor x = model.Encoder.Forward(tape, batch).Data;
        Tensor padded = arena.Rent(new Shape(golden.Lengths.Length, batch.CuSeqlens.Longest, x.Shape[1]), DType.F32);
        backend.Run(new Pad(x, batch.CuSeqlens, padded));
        var actual = new float[padded.Count];
        backend.Download<float>(padded, actual);
        return golden.Values("sequence_output").Zip(actual, (e, a) => Math.Abs(e - a)).Max();
    }

    private string GoldenFolder(Golden golden)
    {
        string folder = _folder[Guid.NewGuid().ToString("N")];
        Directory.CreateDirectory(folder);
        File.WriteAllText(Path.Combine(folder, "config.json"),
            golden.Root.GetProperty("config").GetRawText()
            .Replace("\"vocab_size\"", "\"num_labels\": 3, \"vocab_size\"", StringComparison.Ordinal));
        File.WriteAllBytes(Path.Combine(folder, "tokenizer.json"), Encoding.UTF8.GetBytes(Golden.TinyTokenizerJson));
        return folder;
    }

    private string Toy(Action<Dictionary<string, (Shape Shape, float[] Values)>> change)
    {
        string folder = _folder[Guid.NewGuid().ToString("N")];
        ToyModel.Write(folder);
        string path = Path.Combine(folder, "model.safetensors");
        var tensors = new Dictionary<string, (Shape Shape, float[] Values)>();
        using (WeightFile file = WeightFile.Open(path))
            foreach (WeightEntry entry in file.Entries)
            {
                var values = new float[entry.Count];
                file.Read(entry, values);
                tensors[entry.Name] = (entry.Shape!.Value, values);
            }

        change(tensors);
        using var writer = new SafetensorsWriter(path, tensors.Select(t => new WeightEntry(t.Key, DType.F32, t.Value.Shape)));
        foreach ((string name, (_, float[] values)) in tensors) writer.Write(name, MemoryMarshal.AsBytes(values.AsSpan()));
        writer.Commit();
        return folder;
    }
}
