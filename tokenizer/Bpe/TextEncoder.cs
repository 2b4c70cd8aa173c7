using System.Buffers;
using System.Text;

namespace Dnabert2.Tokenizers;

/// <summary>
/// Encodes any text by the definition, step by step: added tokens are cut out, the rest is split into words, and each word is merged
/// by <see cref="MergeLoop"/>. Offsets are in code points.
/// </summary>
internal ref struct TextEncoder(TokenizerParts parts, List<int> ids, List<int>? starts, List<int>? ends)
{
    private int[] _symbols = ArrayPool<int>.Shared.Rent(256);
    private int[] _positions = ArrayPool<int>.Shared.Rent(256);
    private int[] _lengths = ArrayPool<int>.Shared.Rent(256);
    private int _count;
    private int _position;

    /// <summary>Appends the tokens of a text.</summary>
    public void Encode(ReadOnlySpan<char> text)
    {
        _position = 0;
        Encode(text, 0);
    }

    /// <summary>Gives back what was rented.</summary>
    public readonly void Return()
    {
        ArrayPool<int>.Shared.Return(_symbols);
        ArrayPool<int>.Shared.Return(_positions);
        ArrayPool<int>.Shared.Return(_lengths);
    }

    private void Encode(ReadOnlySpan<char> text, int stage)
    {
        if (stage == parts.Added.Stages)
        {
            EncodeWords(text);
            return;
        }
        while (parts.Added.Find(text, stage, out int at) is { } token)
        {
            Encode(text[..at], stage + 1);
            int start = _position;
            foreach (Rune _ in token.Content.EnumerateRunes()) _position++;
            Add(token.Id, start, _position);
            text = text[(at + token.Content.Length)..];
        }
        Encode(text, stage + 1);
    }

    private void EncodeWords(ReadOnlySpan<char> text)
    {
        CharacterClass current = CharacterClass.Word;
        foreach (Rune rune in text.EnumerateRunes())
        {
            CharacterClass seen = parts.SplitsWords ? WordSplitter.ClassOf(rune) : CharacterClass.Word;
            if (seen != current) EndWord();
            current = seen;
            if (seen != CharacterClass.Space) AddSymbol(rune);
            _position++;
        }
        EndWord();
    }

    private void AddSymbol(Rune rune)
    {
        int id = parts.Model.Symbol(rune);
        if (id < 0) id = parts.Model.UnknownId;
        if (id < 0) return;
        if (_count == _symbols.Length || _count == _positions.Length)
        {
            Grow(ref _symbols);
            Grow(ref _positions);
        }
        _symbols[_count] = id;
        _positions[_count++] = _position;
    }

    private void EndWord()
    {
        if (_count == 0) return;
        if (_lengths.Length < _count)
        {
            ArrayPool<int>.Shared.Return(_lengths);
            _lengths = ArrayPool<int>.Shared.Rent(_count);
        }
        int tokens = MergeLoop.Run(parts.Model, _symbols.AsSpan(0, _count), _lengths.AsSpan(0, _count), out _);
        for (int i = 0, first = 0; i < tokens; first += _lengths[i++])
            Add(_symbols[i], _positions[first], _positions[first + _lengths[i] - 1] + 1);
        _count = 0;
    }

    private readonly void Add(int id, int start, int end)
    {
        ids.Add(id);
        starts?.Add(start);
        ends?.Add(end);
    }

    private readonly void Grow(ref int[] array)
    {
        int[] larger = ArrayPool<int>.Shared.Rent(checked(_count * 2));
        array.AsSpan(0, _count).CopyTo(larger);
        ArrayPool<int>.Shared.Return(array);
        array = larger;
    }
}
