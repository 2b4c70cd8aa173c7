using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Dnabert2.Tokenizers;

namespace Tests.Tokenizers;

/// <summary>HyenaDNA's tokenizer beside the published one.</summary>
public sealed class HyenaTokenizerTests
{
    [Fact]
    public void A_setting_that_stands_twice_is_refused()
    {
        const string Twice = """{"model_max_length":66,"tokenizer_class":"HyenaDNATokenizer","model_max_length":99}""";
        string message = Assert.Throws<InvalidDataException>(() => HyenaTokenizer.Parse(Encoding.UTF8.GetBytes(Twice), "t.json")).Message;
        Assert.Contains("'model_max_length' stands twice", message, StringComparison.Ordinal);
    }

    [Fact]
    public void Sequences_pairs_and_truncation_equal_the_published_tokenizer()
    {
        using JsonDocument document = JsonDocument.Parse(File.ReadAllBytes(SharedData.Path("golden/baselines/tokenizer_cases.json")));
        var tokenizer = new HyenaTokenizer();
        int compared = 0;
        foreach (JsonElement item in document.RootElement.GetProperty("cases").EnumerateArray())
        {
            string text = item.GetProperty("text").GetString()!;
            int[] expected = Integers(item.GetProperty("hyena"));
            Assert.Equal(expected, tokenizer.Encode(text));
            List<int> ids = [];
            tokenizer.EncodeSequence(Encoding.ASCII.GetBytes(text), ids);
            Assert.Equal(expected[..^1], ids);
            compared++;
        }

        foreach (JsonElement item in document.RootElement.GetProperty("truncation").EnumerateArray())
        {
            var truncating = new HyenaTokenizer(item.GetProperty("max_length").GetInt32());
            Assert.Equal(Integers(item.GetProperty("hyena")), truncating.Encode(item.GetProperty("text").GetString()!));
            compared++;
        }

        foreach (JsonElement item in document.RootElement.GetProperty("pairs").EnumerateArray())
        {
            (string first, string second) = (item.GetProperty("text").GetString()!, item.GetProperty("pair").GetString()!);
            int[] expected = Integers(item.GetProperty("hyena"));
            Assert.Equal(expected, tokenizer.Encode(first, second));
            Assert.Equal(expected, new HyenaTokenizer(expected.Length).Encode(first, second));
            Assert.Throws<ArgumentException>(() => new HyenaTokenizer(expected.Length - 1).Encode(first, second));
            compared++;
        }

        Assert.True(compared > 30, $"{compared} cases were compared");
    }

    [Fact]
    public void Whole_files_of_the_benchmark_have_the_ids_of_the_published_tokenizer()
    {
        using JsonDocument document = JsonDocument.Parse(File.ReadAllBytes(SharedData.Path("golden/baselines/gue_token_ids.json")));
        var tokenizer = new HyenaTokenizer();
        foreach (JsonProperty file in document.RootElement.GetProperty("files").EnumerateObject())
        {
            string[] rows = [.. File.ReadLines(SharedData.Path($"gue/{file.Name}")).Skip(1).Select(line => line.Split(',')[0])];
            Assert.Equal(file.Value.GetProperty("rows").GetInt32(), rows.Length);
            string lines = string.Concat(rows.Select(row => string.Join(' ', tokenizer.Encode(row)) + "\n"));
            Assert.Equal(
                file.Value.GetProperty("hyena").GetProperty("sha256").GetString(),
                Convert.ToHexStringLower(SHA256.HashData(Encoding.ASCII.GetBytes(lines))));
        }
    }

    [Fact]
    public void Ids_have_their_tokens_and_a_limit_leaves_room_for_the_end()
    {
        var tokenizer = new HyenaTokenizer(1);
        Assert.Equal([1], tokenizer.Encode("ACGT"));
        int?[] special = [tokenizer.ClsId, tokenizer.SepId, tokenizer.MaskId, tokenizer.PadId, tokenizer.UnknownId, 7, 11];
        Assert.Equal(["[CLS]", "[SEP]", "[MASK]", "[PAD]", "[UNK]", "A", "N"], special.Select(id => tokenizer.Token(id!.Value)));
        Assert.Equal([6, 1], new HyenaTokenizer().Encode("\ud83e\uddec"));
        Assert.Throws<ArgumentOutOfRangeException>(() => tokenizer.Token(12));
        Assert.Throws<ArgumentOutOfRangeException>(() => new HyenaTokenizer(0));
    }

    private static int[] Integers(JsonElement array) => [.. array.EnumerateArray().Select(e => e.GetInt32())];
}
