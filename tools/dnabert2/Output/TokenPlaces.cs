using Dnabert2.Interpretation;
using Dnabert2.Tokenizers;

namespace Dnabert2.Tool.Output;

/// <summary>
/// Writes what the rows and columns of maps of attention are: the columns of <c>embed --pooling none</c>, with the special tokens, whose
/// places are empty.
/// </summary>
internal sealed class TokenPlaces
{
    private readonly RowWriter _rows;
    private readonly ISequenceTokenizer _tokenizer;
    private readonly bool _ofRegions;

    /// <summary>Begins the table.</summary>
    /// <param name="rows">Where the rows go.</param>
    /// <param name="tokenizer">The tokenizer.</param>
    /// <param name="ofRegions">Whether the records are regions or windows, whose places are those in the contig.</param>
    public TokenPlaces(RowWriter rows, ISequenceTokenizer tokenizer, bool ofRegions)
    {
        (_rows, _tokenizer, _ofRegions) = (rows, tokenizer, ofRegions);
        foreach (string column in ofRegions ? EmbeddingLayout.TokenColumnsOfRegions : EmbeddingLayout.TokenColumns) rows.Add(column);
        rows.EndRow();
    }

    public void Write(AttentionMap map)
    {
        for (int i = 0; i < map.Tokens.Count; i++)
        {
            AttentionToken token = map.Tokens[i];
            _rows.Add(map.Number);
            _rows.Add(map.Id);
            if (_ofRegions) _rows.Add(map.Region!.Contig);
            _rows.Add(i);
            _rows.Add(_tokenizer.Token(token.Id));
            _rows.Add(token.Id);
            if (token.Start >= 0) RegionColumns.AddToken(_rows, token.Start, token.End, map.Region, turned: false);
            else for (int empty = _ofRegions ? 3 : 2; empty > 0; empty--) _rows.Add("");
            _rows.EndRow();
        }
    }

    public void Flush() => _rows.Flush();
}
