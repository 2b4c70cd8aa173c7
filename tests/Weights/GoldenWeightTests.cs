using System.Text.Json;
using Dnabert2.Weights;
using Engine.Kernels;

namespace Tests.Weights;

/// <summary>Files written by PyTorch, in every form, against the same weights as safetensors.</summary>
public sealed class GoldenWeightTests
{
    private static WeightFile Open(string name) => WeightFile.Open(SharedData.Path("golden/" + name));

    [Theory]
    [InlineData("pytorch_model.bin", WeightFormat.TorchZip, DType.F32)]
    [InlineData("pytorch_model.fp16.bin", WeightFormat.TorchZip, DType.F16)]
    [InlineData("pytorch_model.bf16.bin", WeightFormat.TorchZip, DType.BF16)]
    [InlineData("pytorch_model.legacy.bin", WeightFormat.TorchLegacy, DType.F32)]
    public void Every_tensor_of_a_PyTorch_file_equals_the_safetensors_one_bit_for_bit(string name, WeightFormat format, DType dtype)
    {
        using WeightFile expected = Open("tiny12h.safetensors");
        using WeightFile actual = Open("torch_bin/" + name);
        Assert.Equal(format, actual.Format);
        // The state dict is the masked-language model's: no pooler, no classifier.
        Assert.Equal(expected.Names().Where(n => !n.Contains("pooler") && !n.Contains("classifier")).Order(), actual.Names().Order());
        foreach (WeightEntry entry in actual.Entries)
        {
            Assert.True(expected.TryGet(entry.Name, out WeightEntry? reference));
            Assert.Equal(reference.Shape, entry.Shape);
            Assert.Equal(dtype, entry.DType);
            float[] values = expected.Values(entry.Name);
            float[] rounded = dtype switch
            {
                DType.F16 => [.. values.Select(v => (float)(Half)v)],
                DType.BF16 => [.. values.Select(v => (float)(BFloat16)v)],
                _ => values,
            };
            Assert.Equal(rounded, actual.Values(entry.Name));
        }
    }

    [Theory]
    [InlineData("pytorch_model.bin")]
    [InlineData("pytorch_model.legacy.bin")]
    public void The_tied_decoder_is_listed_and_tied_to_the_word_embeddings_and_nothing_else_is_tied(string name)
    {
        using WeightFile file = Open("torch_bin/" + name);
        WeightEntry tied = Assert.Single(file.Entries, e => e.TiedTo is not null);
        Assert.Equal("cls.predictions.decoder.weight", tied.Name);
        Assert.Equal("bert.embeddings.word_embeddings.weight", tied.TiedTo!.Name);
    }

    [Fact]
    public void A_state_dict_within_a_dict_is_found_and_a_strided_offset_view_is_gathered()
    {
        string expectedJson = File.ReadAllText(SharedData.Path("golden/torch_bin/nested_strided.expect.json"));
        using WeightFile file = Open("torch_bin/nested_strided.bin");
        using WeightFile reference = Open("tiny12h.safetensors");
        using JsonDocument expected = JsonDocument.Parse(expectedJson);
        string[] strided = [.. expected.RootElement.EnumerateObject().Select(p => p.Name)];
        foreach (string name in strided)
            Assert.Equal(expected.RootElement.GetProperty(name).EnumerateArray().Select(v => v.GetSingle()), file.Values(name));
        Assert.Equal(43, file.Entries.Count);
        foreach (string name in file.Names().Except(strided)) Assert.Equal(reference.Values(name), file.Values(name));
    }

    [Fact]
    public void The_malicious_file_is_refused_by_the_name_of_what_it_calls()
    {
        string path = SharedData.Path("golden/torch_bin/malicious.bin");
        string message = Assert.Throws<InvalidDataException>(() => WeightFile.Open(path)).Message;
        Assert.StartsWith(path, message);
        Assert.Contains("'posix.system'", message);
    }

    [Theory]
    [InlineData("torch_bin/pytorch_model.bin")]
    [InlineData("torch_bin/pytorch_model.bf16.bin")]
    [InlineData("torch_bin/pytorch_model.legacy.bin")]
    [InlineData("torch_bin/nested_strided.bin")]
    [InlineData("tiny12h.safetensors")]
    public void A_converted_file_holds_every_tensor_in_its_own_type_and_names_the_tied_ones(string name)
    {
        using var folder = new TempFolder();
        using WeightFile source = Open(name);
        source.SaveAsSafetensors(folder["model.safetensors"]);
        using WeightFile copy = WeightFile.Open(folder["model.safetensors"]);
        Assert.Equal(WeightFormat.Safetensors, copy.Format);
        Assert.Equal("pt", copy.Metadata["format"]);
        Assert.Equal(["model.safetensors"], folder.Names);
        Assert.Equal(source.Entries.Count(e => e.TiedTo is null), copy.Entries.Count);
        foreach (WeightEntry entry in source.Entries)
        {
            string stored = entry.TiedTo?.Name ?? entry.Name;
            if (entry.TiedTo is not null) Assert.Equal(stored, copy.Metadata[entry.Name]);
            Assert.True(copy.TryGet(stored, out WeightEntry? written));
            Assert.Equal(entry.ToString()[entry.Name.Length..], written.ToString()[stored.Length..]);
            Assert.Equal(source.Bytes(entry.Name), copy.Bytes(stored));
        }
    }
}
