using System.Text;
using System.Text.Json;
using Dnabert2.Tokenizers;

namespace Tests.Tokenizers;

public class BpeTrainerTests
{
    [SkippableFact]
    public void Training_finds_the_reference_merges_one_by_one()
    {
        using JsonDocument golden = JsonDocument.Parse(File.ReadAllBytes(SharedData.Path("golden/bpe_train/tokenizer.json")));
        var trainer = new BpeTrainer(new BpeTrainerOptions { VocabularySize = 30000, SpecialTokens = [] });
        foreach (string line in File.ReadLines(SharedData.Path("golden/bpe_train/yeast_chrI_200bp_lines.txt"))) trainer.Add(Encoding.ASCII.GetBytes(line));
        BpeTokenizer trained = trainer.Train();

        JsonElement model = golden.RootElement.GetProperty("model");
        Assert.Equal(model.GetProperty("vocab").GetRawText().Length > 0 ? 30000 : 0, trained.VocabularySize);
        foreach (JsonProperty token in model.GetProperty("vocab").EnumerateObject()) Assert.Equal((token.Name, token.Value.GetInt32()), (token.Name, trained.Id(token.Name)));
        using JsonDocument saved = JsonDocument.Parse(Saved(trained));
        string[] expected = [.. model.GetProperty("merges").EnumerateArray().Select(m => $"{m[0].GetString()} {m[1].GetString()}")];
        string[] actual = [.. saved.RootElement.GetProperty("model").GetProperty("merges").EnumerateArray().Select(m => m.GetString()!)];
        Assert.Equal(expected, actual);
    }

    internal static byte[] Saved(BpeTokenizer tokenizer)
    {
        string path = Path.Combine(Path.GetTempPath(), Path.GetRandomFileName());
        try
        {
            tokenizer.Save(path);
            return File.ReadAllBytes(path);
        }
        finally
        {
            File.Delete(path);
        }
    }
}
