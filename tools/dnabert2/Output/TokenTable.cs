using Dnabert2.Sequences;
using Dnabert2.Tokenizers;

namespace Dnabert2.Tool.Output;

/// <summary>
/// Writes a row for each token, special ones left out, with the columns of <c>embed --pooling none</c>; of pairs a column
/// <c>sequence</c>, 1 or 2, says which of the two it is of, and index and place are counted in that one.
/// </summary>
/// <param name="tokenizer">The tokenizer.</param>
/// <param name="row">Where the rows go.</param>
/// <param name="severalFiles">Whether the records are of several files; a last column <c>source</c> names that of each row.</param>
/// <param name="regions">Whether the records are regions or windows, whose places are those in the contig.</param>
/// <param name="turned">Whether regions of the other strand were read as their reverse complement.</param>
internal sealed class TokenTable(BpeTokenizer tokenizer, RowWriter row, bool severalFiles, bool regions, bool turned) : ITokenOutput
{
    private readonly List<int> _ids = [], _starts = [];
    private bool _isBegun, _isOfPairs;

    public void Write(SequenceRecord record)
    {
        if (!_isBegun) Begin(record.HasSecond);
        Write(record, record.Sequence, record.Fragments, 1);
        if (record.HasSecond) Write(record, record.SecondSequence, record.SecondFragments, 2);
    }

    public void Flush()
    {
        if (!_isBegun) Begin(ofPairs: false);
        row.Flush();
    }

    private void Begin(bool ofPairs)
    {
        (_isBegun, _isOfPairs) = (true, ofPairs);
        foreach (string column in regions ? EmbeddingLayout.TokenColumnsOfRegions : EmbeddingLayout.TokenColumns)
        {
            row.Add(column);
            if (ofPairs && column == "id") row.Add("sequence");
        }

        if (severalFiles) row.Add("source");
        row.EndRow();
    }

    private void Write(SequenceRecord record, ReadOnlySpan<byte> sequence, SequenceFragments fragments, int which)
    {
        int index = 0;
        foreach (SequenceFragment fragment in fragments)
        {
            _ids.Clear();
            _starts.Clear();
            tokenizer.EncodeSequence(sequence.Slice(fragment.Start, fragment.Length), _ids, _starts);
            for (int i = 0; i < _ids.Count; i++)
            {
                int start = fragment.Start + _starts[i];
                row.Add(record.Number);
                row.Add(record.Id);
                if (regions) row.Add(record.Region!.Contig);
                if (_isOfPairs) row.Add(which);
                row.Add(index++);
                row.Add(tokenizer.Token(_ids[i]));
                row.Add(_ids[i]);
                int end = start + (_ids[i] == tokenizer.UnknownId ? 1 : tokenizer.Token(_ids[i]).Length);
                RegionColumns.AddToken(row, start, end, regions ? record.Region : null, turned);
                if (severalFiles) row.Add(record.Source);
                row.EndRow();
            }
        }
    }
}
