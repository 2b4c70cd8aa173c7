using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;
using Dnabert2.Files;

namespace Dnabert2.Tokenizers;

/// <summary>
/// The tokenizer of HyenaDNA (<c>tokenization_hyena.py</c> of the published models): one token a letter, and <c>[SEP]</c> at the end.
/// Immutable; any number of threads may use one.
/// </summary>
/// <remarks>
/// Ids: [CLS] [SEP] [BOS] [MASK] [PAD] [RESERVED] [UNK] = 0 to 6, A C G T N = 7 to 11. Any other letter, in lower case too, is [UNK].
/// </remarks>
/// <param name="maxTokens">Tokens that a sequence is truncated to, [SEP] included, from 1.</param>
public sealed class HyenaTokenizer(int maxTokens = int.MaxValue) : ISequenceTokenizer
{
    private const string ClassKey = "tokenizer_class", LengthKey = "model_max_length", ClassName = "HyenaDNATokenizer";
    private const string Remedy = "take the tokenizer_config.json of a HyenaDNA's folder";
    private const int MaxBytes = 1 << 20, MaxDepth = 32;
    private const int Cls = 0, Sep = 1, Mask = 3, Pad = 4, Unknown = 6, FirstLetter = 7;

    private static readonly string[] AllTokens =
        ["[CLS]", "[SEP]", "[BOS]", "[MASK]", "[PAD]", "[RESERVED]", "[UNK]", "A", "C", "G", "T", "N"];

    /// <inheritdoc/>
    public int? UnknownId => Unknown;

    /// <summary>The id of [CLS], which is not added.</summary>
    public int? ClsId => Cls;

    /// <inheritdoc/>
    public int? SepId => Sep;

    /// <inheritdoc/>
    public int? PadId => Pad;

    /// <inheritdoc/>
    public int? MaskId => Mask;

    /// <summary>Tokens that a sequence is truncated to, [SEP] included.</summary>
    public int MaxTokens { get; } = maxTokens >= 1
        ? maxTokens : throw new ArgumentOutOfRangeException(nameof(maxTokens), maxTokens, "there is at least [SEP]");

    /// <inheritdoc/>
    public int VocabularySize => AllTokens.Length;

    /// <summary>Reads a <c>tokenizer_config.json</c>, which says to how many tokens a sequence is truncated.</summary>
    /// <param name="path">The file.</param>
    /// <exception cref="InvalidDataException">It is not that of a HyenaDNA; the message names the file.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public static HyenaTokenizer Load(string path) => Parse(RegularFile.Read(path, MaxBytes), path);

    /// <summary>Reads the content of a <c>tokenizer_config.json</c>.</summary>
    /// <param name="utf8">The content.</param>
    /// <param name="name">What messages call it.</param>
    /// <exception cref="InvalidDataException">It is not that of a HyenaDNA.</exception>
    public static HyenaTokenizer Parse(ReadOnlyMemory<byte> utf8, string name)
    {
        try
        {
            JsonNames.RequireUnique(utf8.Span, MaxDepth);
            using var document = JsonDocument.Parse(utf8, new JsonDocumentOptions { MaxDepth = MaxDepth });
            JsonElement root = document.RootElement;
            if (root.ValueKind != JsonValueKind.Object || !root.TryGetProperty(ClassKey, out JsonElement named)
                || named.ValueKind != JsonValueKind.String || !named.ValueEquals(ClassName))
                throw new InvalidDataException($"{name}: {ClassKey} is not {ClassName}; {Remedy}");
            if (!root.TryGetProperty(LengthKey, out JsonElement length) || length.ValueKind != JsonValueKind.Number
                || !length.TryGetInt32(out int most) || most < 2)
                throw new InvalidDataException($"{name}: {LengthKey} is not a number of tokens, from 2; {Remedy}");
            return new HyenaTokenizer(most);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            throw new InvalidDataException($"{name}: is not JSON ({e.Message}); {Remedy}", e);
        }
    }

    /// <inheritdoc/>
    public string Token(int id)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(id);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(id, VocabularySize);
        return AllTokens[id];
    }

    /// <summary>Encodes a sequence, a token a letter, without [SEP] and not truncated.</summary>
    /// <inheritdoc/>
    public void EncodeSequence(ReadOnlySpan<byte> sequence, List<int> ids, List<int>? starts = null)
    {
        ArgumentNullException.ThrowIfNull(ids);
        int first = ids.Count;
        CollectionsMarshal.SetCount(ids, first + sequence.Length);
        Span<int> output = CollectionsMarshal.AsSpan(ids)[first..];
        for (int i = 0; i < sequence.Length; i++) output[i] = IdOf(sequence[i]);
        if (starts is null) return;
        for (int i = 0; i < sequence.Length; i++) starts.Add(i);
    }

    /// <summary><c>… [SEP]</c>, and of a pair <c>… [SEP] … [SEP]</c>.</summary>
    /// <inheritdoc/>
    public SpecialTokenFrame Frame(bool pair) => new(default, pair ? new[] { Sep } : default(ReadOnlyMemory<int>), new[] { Sep });

    /// <inheritdoc/>
    public int LengthOf(int id) => id >= Unknown ? 1 : Token(id).Length;

    /// <summary>0: tokens are single letters.</summary>
    public int Overlap => 0;

    /// <inheritdoc/>
    public bool IsSpecial(int id) => id >= 0 && id < FirstLetter;

    /// <inheritdoc/>
    public int? BasesThatDecide(int tokens) => tokens;

    /// <inheritdoc/>
    public int? BasesThatFit(int tokens) => Math.Max(tokens, 0);

    /// <summary>
    /// Writes a <c>tokenizer_config.json</c>, which names the class and the tokens, as published ones do. There is no file of the
    /// vocabulary, which is always the same.
    /// </summary>
    /// <inheritdoc/>
    public void Save(Stream stream)
    {
        using var json = new Utf8JsonWriter(stream, new JsonWriterOptions { Indented = true });
        json.WriteStartObject();
        json.WriteString("bos_token", AllTokens[2]);
        json.WriteString("cls_token", AllTokens[Cls]);
        json.WriteString("eos_token", AllTokens[Sep]);
        json.WriteString("mask_token", AllTokens[Mask]);
        if (MaxTokens < int.MaxValue) json.WriteNumber(LengthKey, MaxTokens);
        json.WriteString("pad_token", AllTokens[Pad]);
        json.WriteString("padding_side", "left");
        json.WriteString("sep_token", AllTokens[Sep]);
        json.WriteString(ClassKey, ClassName);
        json.WriteString("unk_token", AllTokens[Unknown]);
        json.WriteEndObject();
    }

    /// <summary>Encodes a sequence: its letters, of which as many are left out at the end as there are too many, and [SEP].</summary>
    public int[] Encode(string sequence)
    {
        ArgumentNullException.ThrowIfNull(sequence);
        List<int> ids = [];
        Add(sequence, ids);
        if (ids.Count >= MaxTokens) ids.RemoveRange(MaxTokens - 1, ids.Count - MaxTokens + 1);
        ids.Add(Sep);
        return [.. ids];
    }

    /// <summary>Encodes a pair of sequences, each with [SEP] at its end.</summary>
    /// <exception cref="ArgumentException">They have more tokens than <see cref="MaxTokens"/>; a pair is not truncated.</exception>
    public int[] Encode(string first, string second)
    {
        ArgumentNullException.ThrowIfNull(first);
        ArgumentNullException.ThrowIfNull(second);
        List<int> ids = [];
        Add(first, ids);
        ids.Add(Sep);
        Add(second, ids);
        ids.Add(Sep);
        return ids.Count <= MaxTokens
            ? [.. ids] : throw new ArgumentException($"the pair has {ids.Count} tokens, more than {MaxTokens}; a pair is not truncated");
    }

    private static void Add(string sequence, List<int> ids)
    {
        foreach (Rune letter in sequence.EnumerateRunes()) ids.Add(letter.IsAscii ? IdOf((byte)letter.Value) : Unknown);
    }

    private static int IdOf(byte letter) => letter switch
    {
        (byte)'A' => FirstLetter,
        (byte)'C' => FirstLetter + 1,
        (byte)'G' => FirstLetter + 2,
        (byte)'T' => FirstLetter + 3,
        (byte)'N' => FirstLetter + 4,
        _ => Unknown,
    };
}
