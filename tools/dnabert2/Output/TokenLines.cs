using Dnabert2.Sequences;
using Dnabert2.Tokenizers;

namespace Dnabert2.Tool.Output;

/// <summary>Writes the tokens of each record on a line, special tokens included.</summary>
/// <param name="tokenizer">The tokenizer.</param>
/// <param name="row">Where the lines go.</param>
/// <param name="asIds">Whether ids are written.</param>
/// <param name="asOffsets">Whether the bases each token stands for are written, rather than the tokens.</param>
internal sealed class TokenLines(BpeTokenizer tokenizer, RowWriter row, bool asIds, bool asOffsets) : ITokenOutput
{
    private readonly List<int> _ids = [], _starts = [];
    private readonly SpecialTokenFrame _single = tokenizer.Frame(pair: false), _pair = tokenizer.Frame(pair: true);

    public void Write(SequenceRecord record)
    {
        SpecialTokenFrame frame = record.HasSecond ? _pair : _single;
        Write(frame.Before.Span);
        Write(record.Sequence, record.Fragments);
        if (record.HasSecond)
        {
            Write(frame.Between.Span);
            Write(record.SecondSequence, record.SecondFragments);
        }

        Write(frame.After.Span);
        row.EndRow();
    }

    private void Write(ReadOnlySpan<int> special)
    {
        foreach (int id in special) Write(id, 0, 0);
    }

    private void Write(ReadOnlySpan<byte> sequence, SequenceFragments fragments)
    {
        foreach (SequenceFragment fragment in fragments)
        {
            _ids.Clear();
            _starts.Clear();
            tokenizer.EncodeSequence(sequence.Slice(fragment.Start, fragment.Length), _ids, asOffsets ? _starts : null);
            for (int i = 0; i < _ids.Count; i++)
            {
                if (!asOffsets)
                {
                    Write(_ids[i], 0, 0);
                    continue;
                }

                int start = fragment.Start + _starts[i];
                Write(_ids[i], start, start + (_ids[i] == tokenizer.UnknownId ? 1 : tokenizer.Token(_ids[i]).Length));
            }
        }
    }

    private void Write(int id, int start, int end)
    {
        if (asOffsets) row.AddRange(start, end);
        else if (asIds) row.Add(id);
        else row.Add(tokenizer.Token(id));
    }
}
