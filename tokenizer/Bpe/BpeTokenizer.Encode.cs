using System.Buffers;
using System.Text;

namespace Dnabert2.Tokenizers;

public sealed partial class BpeTokenizer
{
    private readonly SequenceRules _sequences;

    internal BpeModel Model => _model;

    /// <summary>Whether the vocabulary allows the linear-time encoder; else sequences take the heap, O(n log n).</summary>
    internal bool EncodesInLinearTime => _sequences.Fast is not null;

    /// <summary>Encodes a text.</summary>
    /// <param name="text">The text; added tokens such as [MASK] are found in it.</param>
    /// <param name="addSpecialTokens">Whether the tokens of the template ([CLS] and [SEP]) are put around it.</param>
    public TokenEncoding Encode(ReadOnlySpan<char> text, bool addSpecialTokens = true)
    {
        Part first = EncodePart(text);
        return Assemble((_parts.Template ?? Template.None).Single, first, default, addSpecialTokens);
    }

    /// <summary>Encodes a pair of texts.</summary>
    /// <param name="text">The first text; added tokens such as [MASK] are found in it.</param>
    /// <param name="pair">The second text, likewise.</param>
    /// <param name="addSpecialTokens">Whether the tokens of the template ([CLS] and [SEP]) are put around them.</param>
    public TokenEncoding Encode(ReadOnlySpan<char> text, ReadOnlySpan<char> pair, bool addSpecialTokens = true)
    {
        Part first = EncodePart(text), second = EncodePart(pair);
        return Assemble((_parts.Template ?? Template.None).Pair, first, second, addSpecialTokens);
    }

    /// <summary>
    /// Encodes a sequence of ASCII characters, such as a record of a sequence file, without special tokens around it. The result is
    /// that of <see cref="Encode(ReadOnlySpan{char}, bool)"/>; a byte above 127 is one unknown character. Once the lists have grown
    /// to their size nothing is allocated, and the sequence is not copied.
    /// </summary>
    /// <param name="sequence">The characters, <c>[n]</c>; bases in upper case.</param>
    /// <param name="ids">Receives the token ids, after what it holds.</param>
    /// <param name="starts">Receives for each token the index of its first character; may be null.</param>
    public void EncodeSequence(ReadOnlySpan<byte> sequence, List<int> ids, List<int>? starts = null)
    {
        ArgumentNullException.ThrowIfNull(ids);
        if (_sequences.Fast is { } fast && !sequence.ContainsAny(_sequences.Unusual)) EncodePlain(fast, sequence, ids, starts);
        else EncodeUnusual(sequence, ids, starts);
    }

    /// <summary>
    /// How many bases from the start of a sequence decide what its first tokens are: those of the tokens, and those over which the end of a
    /// text reaches back, at most a token for each rule. Null where the vocabulary sets no such limit.
    /// </summary>
    /// <param name="tokens">How many tokens.</param>
    public int? BasesThatDecide(int tokens)
    {
        // Rules that come after those that make their sides are applied rank by rank, and each is undone by no later one: what is beyond
        // the end of a text can change a token more at every rank.
        if (_sequences.Fast is null) return null;
        long bases = (tokens + _model.Merges.Length + 2L) * _model.Tokens.Max(token => token.Length);
        return bases <= Array.MaxLength ? (int)bases : null;
    }

    private void EncodePlain(CompiledBpe fast, ReadOnlySpan<byte> sequence, List<int> ids, List<int>? starts)
    {
        int position = 0;
        while (position < sequence.Length)
        {
            int length = fast.RunLength(sequence[position..]);
            fast.EncodeRun(sequence.Slice(position, length), position, ids, starts);
            position += length;
            if (position == sequence.Length) break;
            if (!_sequences.IsSpace(sequence[position]))
            {
                ids.Add(_model.UnknownId);
                starts?.Add(position);
            }
            position++;
        }
    }

    private void EncodeUnusual(ReadOnlySpan<byte> sequence, List<int> ids, List<int>? starts)
    {
        char[] text = ArrayPool<char>.Shared.Rent(sequence.Length);
        for (int i = 0; i < sequence.Length; i++) text[i] = sequence[i] < 128 ? (char)sequence[i] : '\uFFFD';
        var encoder = new TextEncoder(_parts, ids, starts, null);
        encoder.Encode(text.AsSpan(0, sequence.Length));
        encoder.Return();
        ArrayPool<char>.Shared.Return(text);
    }

    private Part EncodePart(ReadOnlySpan<char> text)
    {
        List<int> ids = [], starts = [], ends = [];
        byte[] ascii = ArrayPool<byte>.Shared.Rent(text.Length);
        if (_sequences.Fast is { } fast && Ascii.FromUtf16(text, ascii, out int length) == OperationStatus.Done
            && !ascii.AsSpan(0, length).ContainsAny(_sequences.Unusual))
        {
            EncodePlain(fast, ascii.AsSpan(0, length), ids, starts);
            for (int i = 0; i < ids.Count; i++) ends.Add(starts[i] + (ids[i] == _model.UnknownId ? 1 : _model.Tokens[ids[i]].Length));
        }
        else
        {
            var encoder = new TextEncoder(_parts, ids, starts, ends);
            encoder.Encode(text);
            encoder.Return();
        }
        ArrayPool<byte>.Shared.Return(ascii);
        return new Part(ids, starts, ends);
    }

    private TokenEncoding Assemble(TemplatePiece[] pieces, Part first, Part second, bool addSpecialTokens)
    {
        int count = 0;
        foreach (TemplatePiece piece in pieces) count += CountOf(piece);
        var ids = new int[count];
        var typeIds = new int[count];
        var offsets = new (int, int)[count];
        int at = 0;
        foreach (TemplatePiece piece in pieces)
        {
            int length = CountOf(piece);
            typeIds.AsSpan(at, length).Fill(piece.TypeId);
            if (piece.Kind == PieceKind.Special)
            {
                piece.Ids.AsSpan(0, length).CopyTo(ids.AsSpan(at));
            }
            else
            {
                Part part = piece.Kind == PieceKind.First ? first : second;
                part.Ids.CopyTo(ids, at);
                for (int i = 0; i < length; i++) offsets[at + i] = (part.Starts[i], part.Ends[i]);
            }
            at += length;
        }
        return new TokenEncoding(this, ids, typeIds, offsets);

        int CountOf(TemplatePiece piece) => piece.Kind switch
        {
            PieceKind.First => first.Ids.Count,
            PieceKind.Second => second.Ids.Count,
            _ => addSpecialTokens ? piece.Ids.Length : 0,
        };
    }

    private readonly record struct Part(List<int> Ids, List<int> Starts, List<int> Ends);
}
