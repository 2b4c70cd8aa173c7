using System.Diagnostics.CodeAnalysis;
using Dnabert2.Files;

namespace Dnabert2.Tokenizers;

/// <summary>
/// A byte-pair-encoding tokenizer as Hugging Face tokenizers defines it, read from or written to <c>tokenizer.json</c>: token for
/// token the same result, in time linear in the length of the sequence. Immutable; any number of threads may use one.
/// </summary>
/// <remarks>
/// Understood are the BPE model, added tokens, the Whitespace pre-tokenizer and template post-processing. A file that asks for
/// anything else (a normalizer, a decoder, dropout, byte fallback, …) is refused by the name of what it asks for. Truncation and padding
/// are no part of the tokenization but of calls of other programs, and are neither applied nor written again.
/// </remarks>
public sealed partial class BpeTokenizer : ISequenceTokenizer
{
    private readonly TokenizerParts _parts;
    private readonly BpeModel _model;
    private readonly AddedTokens _added;
    private readonly AddedToken[] _beyond;
    private readonly HashSet<int> _special;

    internal BpeTokenizer(TokenizerParts parts)
    {
        _parts = parts;
        _model = parts.Model;
        _added = parts.Added;
        _beyond = [.. _added.All.Where(token => token.Id >= _model.Tokens.Length)];
        _special = [.. _added.All.Where(token => token.Special).Select(token => token.Id)];
        VocabularySize = Math.Max(_model.Tokens.Length, _added.All.Count == 0 ? 0 : _added.All[^1].Id + 1);
        _sequences = new SequenceRules(parts);
    }

    /// <summary>The number of ids, added tokens included: they run from 0 to one below it.</summary>
    public int VocabularySize { get; }

    /// <summary>The id of the token that stands for an unknown character, or null where unknown characters are dropped.</summary>
    public int? UnknownId => _model.UnknownId < 0 ? null : _model.UnknownId;

    /// <summary>The id of [CLS], or null where the vocabulary has none.</summary>
    public int? ClsId => FindId("[CLS]");

    /// <summary>The id of [SEP], or null where the vocabulary has none.</summary>
    public int? SepId => FindId("[SEP]");

    /// <summary>The id of [PAD], or null where the vocabulary has none.</summary>
    public int? PadId => FindId("[PAD]");

    /// <summary>The id of [MASK], or null where the vocabulary has none.</summary>
    public int? MaskId => FindId("[MASK]");

    /// <summary>Reads a <c>tokenizer.json</c>.</summary>
    /// <exception cref="InvalidDataException">
    /// The content is malformed or asks for something unsupported; the message names file and place.
    /// </exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public static BpeTokenizer Load(string path) => Load((StoredFile)path);

    internal static BpeTokenizer Load(StoredFile file) => Parse(file.Read(TokenizerJsonReader.MaxBytes), file.Path);

    /// <summary>Reads the content of a <c>tokenizer.json</c>.</summary>
    /// <param name="utf8">The content.</param>
    /// <param name="name">What messages call it.</param>
    /// <exception cref="InvalidDataException">
    /// The content is malformed or asks for something unsupported; the message names file and place.
    /// </exception>
    public static BpeTokenizer Parse(ReadOnlyMemory<byte> utf8, string name) => new(TokenizerJsonReader.Read(utf8, name));

    /// <summary>Whether another one is the same: both are written as the same <c>tokenizer.json</c>.</summary>
    public bool IsSameAs(BpeTokenizer other)
    {
        ArgumentNullException.ThrowIfNull(other);
        using MemoryStream own = new(), others = new();
        Save(own);
        other.Save(others);
        return own.GetBuffer().AsSpan(0, (int)own.Length).SequenceEqual(others.GetBuffer().AsSpan(0, (int)others.Length));
    }

    /// <summary>
    /// Writes the content of a <c>tokenizer.json</c> that Hugging Face tokenizers reads. The same tokenizer always gives the same bytes.
    /// </summary>
    /// <exception cref="IOException">The stream cannot be written to.</exception>
    public void Save(Stream stream)
    {
        ArgumentNullException.ThrowIfNull(stream);
        TokenizerJsonWriter.Write(_parts, stream);
        stream.WriteByte((byte)'\n');
    }

    /// <summary>The tokenizer of a smaller vocabulary: the tokens with the ids below a size and the merges that make them.</summary>
    /// <param name="size">The number of ids to keep: the single characters and special tokens at least.</param>
    /// <exception cref="ArgumentOutOfRangeException">The size is above this vocabulary's, or too small for its characters.</exception>
    /// <exception cref="InvalidOperationException">The ids do not follow the merges, as they do in a trained tokenizer.</exception>
    public BpeTokenizer WithVocabularySize(int size)
    {
        int first = _model.Tokens.Length - _model.Merges.Length;
        ArgumentOutOfRangeException.ThrowIfLessThan(size, first);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(size, VocabularySize);
        for (int rank = 0; rank < _model.Merges.Length; rank++)
            if (_model.Merges[rank].Product != first + rank)
                throw new InvalidOperationException($"merge {rank} does not make the token with id {first + rank}");
        if (_added.All.Any(token => token.Id >= first)) throw new InvalidOperationException("added tokens come after the vocabulary");
        var model = new BpeModel(_model.Tokens[..size], _model.Merges[..(size - first)], _model.UnknownId);
        return new BpeTokenizer(_parts with { Model = model });
    }

    /// <summary>The id of a token.</summary>
    /// <exception cref="ArgumentException">The vocabulary has no such token.</exception>
    public int Id(string token)
        => TryGetId(token, out int id) ? id : throw new ArgumentException($"the vocabulary has no token \"{token}\"", nameof(token));

    /// <summary>The id of a token, where the vocabulary has it.</summary>
    public bool TryGetId(string token, out int id)
    {
        id = _added.Id(token);
        if (id < 0) id = _model.Id(token);
        return id >= 0;
    }

    /// <summary>The token with an id.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The id is not in the vocabulary.</exception>
    public string Token(int id)
    {
        if ((uint)id < (uint)_model.Tokens.Length) return _model.Tokens[id];
        // By id, without holes.
        if (id >= 0 && id - _model.Tokens.Length < _beyond.Length) return _beyond[id - _model.Tokens.Length].Content;
        throw new ArgumentOutOfRangeException(nameof(id), id, $"ids run from 0 to {VocabularySize - 1}");
    }

    /// <inheritdoc/>
    public int LengthOf(int id) => id == UnknownId ? 1 : Token(id).Length;

    /// <summary>0: tokens lie one after the other.</summary>
    public int Overlap => 0;

    /// <summary>Null: tokens differ in length.</summary>
    /// <param name="tokens">How many tokens.</param>
    public int? BasesThatFit(int tokens) => null;

    /// <summary>Whether the token with this id is marked special, such as [CLS]; decoding may leave it out.</summary>
    public bool IsSpecial(int id) => _special.Contains(id);

    /// <summary>The tokens of these ids with a space between them.</summary>
    /// <param name="ids">Token ids.</param>
    /// <param name="skipSpecialTokens">Whether tokens marked special are left out.</param>
    /// <exception cref="ArgumentOutOfRangeException">An id is not in the vocabulary.</exception>
    public string Decode(ReadOnlySpan<int> ids, bool skipSpecialTokens = true)
    {
        var text = new System.Text.StringBuilder();
        bool first = true;
        foreach (int id in ids)
        {
            string token = Token(id);
            if (skipSpecialTokens && IsSpecial(id)) continue;
            if (!first) text.Append(' ');
            text.Append(token);
            first = false;
        }
        return text.ToString();
    }

    private int? FindId(string token) => TryGetId(token, out int id) ? id : null;
}
