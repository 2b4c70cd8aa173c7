using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Dnabert2.Tokenizers;

namespace Tests.Tokenizers;

public class BpeGoldenTests
{
    private static readonly Lazy<BpeTokenizer> Published = new(() => BpeTokenizer.Load(SharedData.Path("dnabert2-117m/tokenizer.json")));

    [Fact]
    public void The_special_tokens_have_the_published_ids()
    {
        SharedData.Path("dnabert2-117m/tokenizer.json");
        BpeTokenizer t = Published.Value;
        Assert.Equal(4096, t.VocabularySize);
        Assert.Equal((0, 1, 2, 3, 4), (t.UnknownId, t.ClsId, t.SepId, t.PadId, t.MaskId));
        Assert.Equal(["A", "C", "G", "T"], [t.Token(5), t.Token(6), t.Token(7), t.Token(8)]);
    }

    [Fact]
    public void Every_edge_case_equals_the_reference_in_ids_tokens_offsets_types_and_decoded_text()
    {
        using JsonDocument golden = JsonDocument.Parse(File.ReadAllBytes(SharedData.Path("golden/tokenizer_edge_cases.json")));
        BpeTokenizer t = Published.Value;
        int cases = 0;
        foreach (JsonElement expected in golden.RootElement.GetProperty("single").EnumerateArray())
        {
            TokenEncoding actual = t.Encode(expected.GetProperty("text").GetString());
            Assert.Equal(Integers(expected, "ids"), actual.Ids.ToArray());
            Assert.Equal(Integers(expected, "type_ids"), actual.TypeIds.ToArray());
            Assert.Equal(expected.GetProperty("tokens").EnumerateArray().Select(e => e.GetString()), actual.GetTokens());
            Assert.Equal(
                expected.GetProperty("offsets").EnumerateArray().Select(e => (e[0].GetInt32(), e[1].GetInt32())), actual.Offsets.ToArray());
            Assert.Equal(expected.GetProperty("decoded").GetString(), t.Decode(actual.Ids));
            cases++;
        }
        Assert.True(cases >= 33, $"only {cases} cases were read");
    }

    [Fact]
    public void Every_pair_equals_the_reference_in_ids_and_types()
    {
        using JsonDocument golden = JsonDocument.Parse(File.ReadAllBytes(SharedData.Path("golden/tokenizer_edge_cases.json")));
        BpeTokenizer t = Published.Value;
        int cases = 0;
        foreach (JsonElement expected in golden.RootElement.GetProperty("pairs").EnumerateArray())
        {
            TokenEncoding actual = t.Encode(expected.GetProperty("a").GetString(), expected.GetProperty("b").GetString());
            Assert.Equal(Integers(expected, "ids"), actual.Ids.ToArray());
            Assert.Equal(Integers(expected, "type_ids"), actual.TypeIds.ToArray());
            cases++;
        }
        Assert.Equal(3, cases);
    }

    [Fact]
    public void The_ids_of_every_gue_file_have_the_reference_hash()
    {
        using JsonDocument golden = JsonDocument.Parse(File.ReadAllBytes(SharedData.Path("golden/gue_token_ids.json")));
        BpeTokenizer t = Published.Value;
        string gue = SharedData.Path("gue");
        int files = 0;
        foreach (JsonProperty expected in golden.RootElement.EnumerateObject())
        {
            string path = Path.Combine(gue, expected.Name);
            if (!File.Exists(path)) continue;
            string[] rows = [.. File.ReadLines(path).Skip(1).Select(line => line.Split(',')[0])];
            Assert.Equal(expected.Value.GetProperty("n").GetInt32(), rows.Length);
            string expectedHash = expected.Value.GetProperty("sha256_ids_lines").GetString()!;
            Assert.Equal((expected.Name, expectedHash), (expected.Name, HashOf(rows, row => t.Encode(row).Ids.ToArray())));
            Assert.Equal((expected.Name, expectedHash), (expected.Name, HashOf(rows, row => EncodeBytes(t, row))));
            files++;
        }
        Assert.True(files >= 20, $"only {files} files were read");
    }

    [Fact]
    public void Homopolymers_and_microsatellites_of_a_megabase_encode_to_their_own_text()
    {
        SharedData.Path("dnabert2-117m/tokenizer.json");
        foreach (string unit in new[] { "A", "AT", "CAG", "GATTACA" })
        {
            byte[] sequence = Encoding.ASCII.GetBytes(string.Concat(Enumerable.Repeat(unit, 1_000_000 / unit.Length)));
            var ids = new List<int>();
            Published.Value.EncodeSequence(sequence, ids);
            Assert.Equal(
                Encoding.ASCII.GetString(sequence), Published.Value.Decode(ids.ToArray()).Replace(" ", "", StringComparison.Ordinal));
        }
    }

    private static string HashOf(string[] rows, Func<string, int[]> encode)
        => Convert.ToHexStringLower(
            SHA256.HashData(Encoding.ASCII.GetBytes(string.Concat(rows.Select(row => string.Join(' ', encode(row)) + "\n")))));

    private static int[] EncodeBytes(BpeTokenizer t, string row)
    {
        var ids = new List<int> { t.ClsId!.Value };
        t.EncodeSequence(Encoding.ASCII.GetBytes(row), ids);
        ids.Add(t.SepId!.Value);
        return [.. ids];
    }

    private static int[] Integers(JsonElement e, string name) => [.. e.GetProperty(name).EnumerateArray().Select(i => i.GetInt32())];
}
