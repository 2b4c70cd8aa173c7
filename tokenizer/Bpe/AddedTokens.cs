using System.Buffers;

namespace Dnabert2.Tokenizers;

/// <summary>A token that is found in the text before anything else is done with it.</summary>
/// <param name="Id">Its id.</param>
/// <param name="Content">What is found.</param>
/// <param name="Special">Whether decoding may leave it out.</param>
/// <param name="Normalized">Whether it is looked for after the others, in what they leave.</param>
internal sealed record AddedToken(int Id, string Content, bool Special, bool Normalized);

/// <summary>The added tokens of a tokenizer and the search for them: leftmost first, the longest of those that begin there.</summary>
internal sealed class AddedTokens
{
    private readonly AddedToken[][] _stages;
    private readonly SearchValues<char>[] _firsts;

    public AddedTokens(IReadOnlyList<AddedToken> tokens)
    {
        All = [.. tokens.OrderBy(token => token.Id)];
        _stages = [Stage(tokens, normalized: false), Stage(tokens, normalized: true)];
        _firsts = [.. _stages.Select(stage => SearchValues.Create([.. stage.Select(token => token.Content[0])]))];
    }

    /// <summary>All of them by id.</summary>
    public IReadOnlyList<AddedToken> All { get; }

    /// <summary>The number of searches: each looks at what the one before left.</summary>
    public int Stages => _stages.Length;

    /// <summary>The first added token of a stage in the text, or null.</summary>
    public AddedToken? Find(ReadOnlySpan<char> text, int stage, out int at)
    {
        at = 0;
        while (true)
        {
            int step = text[at..].IndexOfAny(_firsts[stage]);
            if (step < 0) return null;
            at += step;
            foreach (AddedToken token in _stages[stage])
                if (text[at..].StartsWith(token.Content, StringComparison.Ordinal)) return token;
            at++;
        }
    }

    private static AddedToken[] Stage(IReadOnlyList<AddedToken> tokens, bool normalized)
        => [.. tokens.Where(token => token.Normalized == normalized).OrderByDescending(token => token.Content.Length)];
}
