using System.CommandLine;
using Dnabert2.Interpretation;

namespace Dnabert2.Tool.Verbs;

/// <summary>The option that says what variants are scored by.</summary>
internal sealed class ScoreChoice
{
    private static readonly (string Word, VariantScores Scores)[] Words =
    [
        ("distances", VariantScores.Distances), ("likelihood", VariantScores.Likelihood),
        ("pseudo-likelihood", VariantScores.PseudoLikelihood), ("classes", VariantScores.Classes),
    ];

    public ScoreChoice()
    {
        string[] words = [.. Words.Select(word => word.Word)];
        Option = new Option<string?>("--scores")
        {
            Description = $"what to score by, several with commas: {string.Join(", ", words)}; the pseudo-likelihood takes a pass for each "
            + "token of either allele [default: all others that the model has]",
            HelpName = "NAME,…",
            CustomParser = result =>
            {
                string text = result.Tokens[0].Value;
                if (Array.Find(text.Split(','), word => !words.Contains(word)) is { } other)
                    result.AddError($"--scores {other}: expected {string.Join(", ", words[..^1])} or {words[^1]}");
                return text;
            },
        };
        Option.CompletionSources.Add(words);
    }

    public Option<string?> Option { get; }

    /// <summary>What was asked for; null: nothing in particular.</summary>
    public VariantScores? Of(ParseResult parsed)
    {
        if (parsed.GetValue(Option) is not { } text) return null;
        VariantScores scores = 0;
        foreach (string word in text.Split(',')) scores |= Array.Find(Words, known => known.Word == word).Scores;
        return scores;
    }
}
