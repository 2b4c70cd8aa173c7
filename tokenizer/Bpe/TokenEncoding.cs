namespace Dnabert2.Tokenizers;

/// <summary>An encoded text: its token ids, and for each token its type and the stretch of text it stands for.</summary>
public sealed class TokenEncoding
{
    private readonly BpeTokenizer _tokenizer;
    private readonly int[] _ids;
    private readonly int[] _typeIds;
    private readonly (int Start, int End)[] _offsets;

    internal TokenEncoding(BpeTokenizer tokenizer, int[] ids, int[] typeIds, (int Start, int End)[] offsets)
    {
        _tokenizer = tokenizer;
        _ids = ids;
        _typeIds = typeIds;
        _offsets = offsets;
    }

    /// <summary>The number of tokens.</summary>
    public int Count => _ids.Length;

    /// <summary>The token ids, <c>[tokens]</c>.</summary>
    public ReadOnlySpan<int> Ids => _ids;

    /// <summary>The token types, <c>[tokens]</c>: 0 for the first text, 1 for the second, where the template says no other.</summary>
    public ReadOnlySpan<int> TypeIds => _typeIds;

    /// <summary>
    /// For each token its first character and the one after its last, counted in Unicode code points of its own text;
    /// (0, 0) for a token that the template adds.
    /// </summary>
    public ReadOnlySpan<(int Start, int End)> Offsets => _offsets;

    /// <summary>The tokens as text, <c>[tokens]</c>, made on each call.</summary>
    public string[] GetTokens() => Array.ConvertAll(_ids, _tokenizer.Token);
}
