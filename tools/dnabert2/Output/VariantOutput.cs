using Dnabert2.Tool.Pieces;

namespace Dnabert2.Tool.Output;

/// <summary>What <c>variants</c> writes: a table, or the VCF with the scores in it, as the file's name says.</summary>
/// <param name="path">The file; "-" is standard output.</param>
/// <param name="terminal">Standard output, and where is said what cannot be made.</param>
/// <param name="input">The name of the VCF in messages.</param>
internal sealed class VariantOutput(string path, Terminal terminal, string input) : IDisposable
{
    /// <summary>The files that scores are written to, for the help of an option.</summary>
    public const string Formats =
        ".tsv or .csv; .vcf or .vcf.gz: the VCF itself, with the scores in its column INFO; '-' is TSV on standard output";

    private static readonly string[] Indexes = [".tbi", ".csi"];
    private readonly LineQueue _lines = new(input);
    private BgzfWriter? _blocks;
    private Stream? _stream;
    private PlaceIndex? _index;

    /// <summary>Receives the content of the VCF as it is read; null where a table is written, which needs none.</summary>
    public Stream? Copy => IsVcf ? _lines : null;

    /// <summary>The files that are written or made out of date.</summary>
    public string[] Files => IsCompressed ? [path, .. Indexes.Select(extension => path + extension)] : [path];

    private bool IsCompressed => path.EndsWith(".vcf.gz", StringComparison.OrdinalIgnoreCase);

    private bool IsVcf => IsCompressed || path.EndsWith(".vcf", StringComparison.OrdinalIgnoreCase);

    /// <summary>Refuses a name that says no format.</summary>
    /// <exception cref="UsageException">It does not.</exception>
    public void Check()
    {
        if (!IsVcf && RowWriter.SeparatorOf(path) is null)
            throw new UsageException($"-o {path}: the extension decides the format: {Formats}");
    }

    /// <summary>Begins the file.</summary>
    /// <param name="result">The result it is of.</param>
    /// <param name="bothStrands">Whether the scores are of both strands.</param>
    /// <returns>What takes the rows of the table.</returns>
    /// <exception cref="UsageException">A piece of a VCF is asked for, or one that is to be gone on with.</exception>
    public IRows Open(RowResult result, bool bothStrands)
    {
        if (!IsVcf) return result.AddTable(path, RowWriter.Separator(path));
        _stream = result.AddWhole(path, "an annotated VCF");
        string note = bothStrands ? "average of both strands" : "";
        if (!IsCompressed) return new AnnotatedVcf(_lines, _stream, input, note, index: null);
        (_blocks, _index) = (new BgzfWriter(_stream), new PlaceIndex());
        return new AnnotatedVcf(_lines, _blocks, input, note, _index);
    }

    /// <summary>Completes the file, with its index where there can be one.</summary>
    /// <param name="result">The result it is of.</param>
    public void Finish(RowResult result)
    {
        if (_blocks is null) return;
        _blocks.Finish();
        if (_index!.Obstacle is { } obstacle)
        {
            terminal.Say($"{path}: has no index: {obstacle}. Sort it: bcftools sort -Oz --write-index=tbi -o sorted.vcf.gz {path}");
            return;
        }

        // Readers hold an index that is older than its file for one of another file.
        _index.Write(result.AddWhole(path + _index.Extension, "an index"));
    }

    /// <summary>Removes indexes of what was there before, when the file is in its place.</summary>
    public void RemoveFormer()
    {
        if (_index is null) return;
        foreach (string extension in Indexes)
            if (_index.Obstacle is not null || extension != _index.Extension) File.Delete(path + extension);
    }

    /// <summary>Ends what was written in between; the file itself is of its result.</summary>
    public void Dispose()
    {
        _lines.Dispose();
        _blocks?.Dispose();
    }
}
