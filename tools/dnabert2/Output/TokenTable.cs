using Dnabert2.Sequences;
using Dnabert2.Tokenizers;

namespace Dnabert2.Tool.Output;

/// <summary>
/// Writes a row for each token, special ones left out, with the columns of <c>embed --pooling none</c>; of pairs a column
/// <c>sequence</c>, 1 or 2, says which of the two it is of, and index and place are counted in that one.
/// </summary>
internal sealed class TokenTable : ITokenOutput
{
    private readonly List<int> _ids = [], _starts = [];
    private readonly BpeTokenizer _tokenizer;
    private readonly RowWriter _row;
    private readonly bool _pairs, _severalFiles, _regions, _turned;

    /// <param name="tokenizer">The tokenizer.</param>
    /// <param name="row">Where the rows go.</param>
    /// <param name="pairs">Whether the records are pairs.</param>
    /// <param name="severalFiles">Whether the records are of several files; a last column <c>source</c> names that of each row.</param>
    /// <param name="regions">Whether the records are regions or windows, whose places are those in the contig.</param>
    /// <param name="turned">Whether regions of the other strand were read as their reverse complement.</param>
    public TokenTable(BpeTokenizer tokenizer, RowWriter row, bool pairs, bool severalFiles, bool regions, bool turned)
    {
        (_tokenizer, _row, _pairs, _severalFiles, _regions, _turned) = (tokenizer, row, pairs, severalFiles, regions, turned);
        foreach (string column in regions ? EmbeddingLayout.TokenColumnsOfRegions : EmbeddingLayout.TokenColumns)
        {
            row.Add(column);
            if (pairs && column == "id") row.Add("sequence");
        }

        if (severalFiles) row.Add("source");
        row.EndRow();
    }

    public void Write(SequenceRecord record)
    {
        Write(record, record.Sequence, record.Fragments, 1);
        if (record.HasSecond) Write(record, record.SecondSequence, record.SecondFragments, 2);
    }

    private void Write(SequenceRecord record, ReadOnlySpan<byte> sequence, SequenceFragments fragments, int which)
    {
        int index = 0;
        foreach (SequenceFragment fragment in fragments)
        {
            _ids.Clear();
            _starts.Clear();
            _tokenizer.EncodeSequence(sequence.Slice(fragment.Start, fragment.Length), _ids, _starts);
            for (int i = 0; i < _ids.Count; i++)
            {
                int start = fragment.Start + _starts[i];
                _row.Add(record.Number);
                _row.Add(record.Id);
                if (_regions) _row.Add(record.Region!.Contig);
                if (_pairs) _row.Add(which);
                _row.Add(index++);
                _row.Add(_tokenizer.Token(_ids[i]));
                _row.Add(_ids[i]);
                int end = start + (_ids[i] == _tokenizer.UnknownId ? 1 : _tokenizer.Token(_ids[i]).Length);
                RegionColumns.AddToken(_row, start, end, _regions ? record.Region : null, _turned);
                if (_severalFiles) _row.Add(record.Source);
                _row.EndRow();
            }
        }
    }
}
