using System.Globalization;
using Dnabert2.Files;

namespace Dnabert2.Tokenizers;

/// <summary>
/// The file of a tokenizer, whichever it is: byte-pair encoding has a <c>tokenizer.json</c>, k-mers have a <c>vocab.txt</c>; HyenaDNA's,
/// whose vocabulary is always the same, has its length in <c>tokenizer_config.json</c>.
/// </summary>
public static class TokenizerFile
{
    private const string Overlapping = "overlapping:", Apart = "non-overlapping:";
    private const string Bpe = "tokenizer.json", Vocabulary = "vocab.txt", Settings = "tokenizer_config.json";

    /// <summary>The names that such a file has.</summary>
    public static IReadOnlyList<string> Names { get; } = [Bpe, Vocabulary, Settings];

    /// <summary>The name of the file that <see cref="ISequenceTokenizer.Save"/> writes the content of.</summary>
    /// <param name="tokenizer">The tokenizer.</param>
    public static string NameOf(ISequenceTokenizer tokenizer)
    {
        ArgumentNullException.ThrowIfNull(tokenizer);
        return tokenizer is BpeTokenizer ? Bpe : tokenizer is HyenaTokenizer ? Settings : Vocabulary;
    }

    /// <summary>The file in a folder; null where there is none.</summary>
    /// <param name="folder">The folder.</param>
    public static string? Find(string folder) =>
        Names.Select(name => Path.Combine(folder, name)).FirstOrDefault(File.Exists);

    /// <summary>Reads a file; its name, or what it begins with, says whose it is.</summary>
    /// <param name="path">The file.</param>
    /// <exception cref="InvalidDataException">It is of no tokenizer; the message names file and place.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public static ISequenceTokenizer Load(string path) => Load((StoredFile)path);

    internal static ISequenceTokenizer Load(StoredFile file)
    {
        string path = file.Path;
        if (Path.GetFileName(path) == Settings) return HyenaTokenizer.Load(path);
        ReadOnlyMemory<byte> content = file.Read(TokenizerJsonReader.MaxBytes);
        if (content.Span.StartsWith("[PAD]"u8)) return DnabertTokenizer.Parse(content.Span, path);
        return content.Span.StartsWith("<unk>"u8) ? NucleotideTransformerTokenizer.Parse(content.Span, path)
            : BpeTokenizer.Parse(content, path);
    }

    /// <summary>
    /// The tokenizer of a name, which needs no file: <c>overlapping:K</c> is DNABERT's of k-mers that begin at each base,
    /// <c>non-overlapping:K</c> that of the Nucleotide Transformer, of k-mers one after the other.
    /// </summary>
    /// <param name="name">The name.</param>
    /// <returns>Null where it is no such name.</returns>
    /// <exception cref="ArgumentException">There are no k-mers of so many letters.</exception>
    public static ISequenceTokenizer? OfName(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        bool apart = name.StartsWith(Apart, StringComparison.Ordinal);
        if (!apart && !name.StartsWith(Overlapping, StringComparison.Ordinal)) return null;
        string letters = name[(apart ? Apart : Overlapping).Length..];
        if (!int.TryParse(letters, NumberStyles.None, CultureInfo.InvariantCulture, out int k) || k is < 1 or > KmerVocabulary.MostLetters)
            throw new ArgumentException($"{name}: k-mers have 1 to {KmerVocabulary.MostLetters} letters");
        return apart ? new NucleotideTransformerTokenizer(k) : new DnabertTokenizer(k);
    }

    /// <summary>Whether two tokenizers are the same: both are written as the same bytes.</summary>
    /// <param name="one">A tokenizer.</param>
    /// <param name="other">Another.</param>
    public static bool AreSame(ISequenceTokenizer one, ISequenceTokenizer other)
    {
        ArgumentNullException.ThrowIfNull(one);
        ArgumentNullException.ThrowIfNull(other);
        using MemoryStream ofOne = new(), ofOther = new();
        one.Save(ofOne);
        other.Save(ofOther);
        return ofOne.GetBuffer().AsSpan(0, (int)ofOne.Length).SequenceEqual(ofOther.GetBuffer().AsSpan(0, (int)ofOther.Length));
    }
}
