using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using Dnabert2.Tokenizers;

namespace Tests.Tokenizers;

/// <summary>
/// BPE as it is defined, read from the saved tokenizer.json: look at all pairs, merge the leftmost of lowest rank, begin again.
/// </summary>
internal static class PlainBpe
{
    public static List<(int Id, int Start, int End)> Encode(BpeTokenizer tokenizer, string text)
    {
        Model model = Models.GetValue(tokenizer, t => new Model(BpeTrainerTests.Saved(t)));
        var result = new List<(int, int, int)>();
        foreach ((int start, List<Rune> word) in Words(text, model.Splits)) result.AddRange(Merge(model, word, start));
        return result;
    }

    private static readonly System.Runtime.CompilerServices.ConditionalWeakTable<BpeTokenizer, Model> Models = [];

    private static List<(int Id, int Start, int End)> Merge(Model model, List<Rune> word, int start)
    {
        var symbols = new List<(int Id, int Start, int End)>();
        for (int i = 0; i < word.Count; i++)
        {
            int id = model.Ids.TryGetValue(word[i].ToString(), out int known) ? known : model.Unknown;
            if (id >= 0) symbols.Add((id, start + i, start + i + 1));
        }
        while (true)
        {
            int best = -1, bestRank = int.MaxValue;
            for (int i = 0; i + 1 < symbols.Count; i++)
                if (model.Ranks.TryGetValue((symbols[i].Id, symbols[i + 1].Id), out int rank) && rank < bestRank)
                    (best, bestRank) = (i, rank);
            if (best < 0) return symbols;
            symbols[best] = (model.Products[bestRank], symbols[best].Start, symbols[best + 1].End);
            symbols.RemoveAt(best + 1);
        }
    }

    /// <summary>
    /// Words by .NET's regular expressions: their \w lacks Nl, Me, the joiners and astral letters; texts here have none of these.
    /// </summary>
    private static IEnumerable<(int Start, List<Rune> Word)> Words(string text, bool splits)
    {
        foreach (Match match in Regex.Matches(text, splits ? @"\w+|[^\w\s]+" : @"(?s).+"))
            yield return (text[..match.Index].EnumerateRunes().Count(), [.. match.Value.EnumerateRunes()]);
    }

    private sealed class Model
    {
        public Model(byte[] json)
        {
            using JsonDocument document = JsonDocument.Parse(json);
            JsonElement model = document.RootElement.GetProperty("model");
            Splits = document.RootElement.GetProperty("pre_tokenizer").ValueKind == JsonValueKind.Object;
            foreach (JsonProperty token in model.GetProperty("vocab").EnumerateObject()) Ids.Add(token.Name, token.Value.GetInt32());
            Unknown = model.GetProperty("unk_token").GetString() is { } unk ? Ids[unk] : -1;
            foreach (JsonElement merge in model.GetProperty("merges").EnumerateArray())
            {
                string[] sides = merge.ValueKind == JsonValueKind.Array
                    ? [merge[0].GetString()!, merge[1].GetString()!] : merge.GetString()!.Split(' ');
                Ranks.Add((Ids[sides[0]], Ids[sides[1]]), Products.Count);
                Products.Add(Ids[sides[0] + sides[1]]);
            }
        }

        public Dictionary<string, int> Ids { get; } = [];
        public Dictionary<(int, int), int> Ranks { get; } = [];
        public List<int> Products { get; } = [];
        public int Unknown { get; }
        public bool Splits { get; }
    }
}
