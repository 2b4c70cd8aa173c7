namespace Dnabert2.Data;

/// <summary>A sequence file of a corpus, and whose sequences it holds.</summary>
/// <param name="Species">The name under which its windows are weighted and evaluated; files of one name are one species.</param>
/// <param name="Path">The file: FASTA or any other layout that sequences are read from, gzipped or not.</param>
public sealed record CorpusSource(string Species, string Path)
{
    private static readonly string[] Extensions = [".gz", ".fa", ".fna", ".fas", ".fasta", ".txt", ".fq", ".fastq", ".csv", ".tsv"];

    /// <summary>As <see cref="Sequences.SequenceOptions.SequenceColumn"/>.</summary>
    internal string? SequenceColumn { get; init; }

    /// <summary>As <see cref="Sequences.SequenceOptions.SecondSequenceColumn"/>.</summary>
    internal string? SecondSequenceColumn { get; init; }

    /// <summary>Understands <c>NAME=PATH</c>, or a path alone, whose file name without extensions is then the name.</summary>
    /// <exception cref="ArgumentException">The name or the path is empty.</exception>
    public static CorpusSource Parse(string text)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(text);
        int equals = text.IndexOf('=', StringComparison.Ordinal);
        if (equals < 0 || File.Exists(text)) return new CorpusSource(NameOf(text), text);
        if (equals == 0 || equals == text.Length - 1)
            throw new ArgumentException($"'{Excerpt.Of(text)}' is neither a path nor NAME=PATH", nameof(text));
        return new CorpusSource(text[..equals], text[(equals + 1)..]);
    }

    private static string NameOf(string path)
    {
        string name = System.IO.Path.GetFileName(path);
        while (Extensions.FirstOrDefault(EndsIn) is { } extension) name = name[..^extension.Length];
        return name;

        bool EndsIn(string extension) => name.Length > extension.Length && name.EndsWith(extension, StringComparison.OrdinalIgnoreCase);
    }
}
