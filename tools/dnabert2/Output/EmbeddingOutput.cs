using Dnabert2.Embeddings;
using Dnabert2.Tool.Pieces;

namespace Dnabert2.Tool.Output;

/// <summary>What a result holds.</summary>
/// <param name="Width">Numbers a vector has.</param>
/// <param name="OfTokens">Whether there is a vector for each token rather than one for each record.</param>
/// <param name="BothStrands">Whether vectors are averages over both strands; a column says so.</param>
/// <param name="OfSeveralFiles">Whether the records are of several files; a last column names that of each row.</param>
/// <param name="OfRegions">Whether the records are regions or windows; columns say where each lies.</param>
/// <param name="Turned">Whether regions of the other strand were read as their reverse complement.</param>
/// <param name="Half">Whether the numbers of a matrix have 16 bits.</param>
internal readonly record struct EmbeddingLayout(
    int Width, bool OfTokens, bool BothStrands, bool OfSeveralFiles = false, bool OfRegions = false, bool Turned = false,
    bool Half = false)
{
    private static readonly string[] RecordColumns = ["bases", "tokens", "chunks", "truncated"];

    /// <summary>The columns that say what a row of a token is of.</summary>
    public static string[] TokenColumns { get; } = ["record", "id", "index", "token", "token_id", "start", "end"];

    /// <summary>The same of tokens of a region, whose places are those in the contig.</summary>
    public static string[] TokenColumnsOfRegions { get; } =
        ["record", "id", "contig", "index", "token", "token_id", "start", "end", "strand"];

    /// <summary>The columns that say what a row is of.</summary>
    public string[] Columns =>
        [.. OfTokens ? OfRegions ? TokenColumnsOfRegions : TokenColumns
            : ["record", "id", .. OfRegions ? RegionColumns.Names : [], .. RecordColumns], .. BothStrands ? [Strands.Column] : (string[])[],
            .. OfSeveralFiles ? ["source"] : (string[])[]];
}

/// <summary>Where vectors go, one after the other: to a table on standard output, or to files.</summary>
internal abstract class EmbeddingOutput
{
    /// <summary>Rows written so far.</summary>
    public long Rows { get; protected set; }

    /// <summary>The extension of a path that stands for a format, or null where it stands for none.</summary>
    public static string? FormatOf(string path)
    {
        string extension = Path.GetExtension(path).ToLowerInvariant();
        return extension is ".npy" or ".safetensors" or ".parquet" or ".tsv" or ".csv" ? extension : null;
    }

    /// <summary>The files that a result of this name consists of.</summary>
    public static string[] FilesOf(string path) =>
        FormatOf(path) is null or ".parquet" or ".tsv" or ".csv" ? [path] : [path, Path.ChangeExtension(path, ".ids.tsv")];

    /// <summary>Begins the output.</summary>
    /// <param name="path">A path whose extension stands for a format, or "-" for a table on standard output.</param>
    /// <param name="result">The result that its files are of.</param>
    /// <param name="layout">What it is to hold.</param>
    public static EmbeddingOutput Create(string path, RowResult result, EmbeddingLayout layout) => FormatOf(path) switch
    {
        _ when path == "-" => new EmbeddingTable(result.AddTable(path, RowWriter.Separator(path)), layout),
        ".tsv" or ".csv" => new EmbeddingTable(result.AddTable(path, RowWriter.Separator(path)), layout),
        ".parquet" => new EmbeddingParquet(path, result, layout),
        { } matrix => new EmbeddingMatrix(path, matrix[1..], result, layout),
        _ => throw new ArgumentException($"{path}: its extension stands for no format", nameof(path)),
    };

    /// <summary>Writes the vector of a record.</summary>
    public abstract void Write(SequenceEmbedding embedding);

    /// <summary>Writes the vectors of a record's next tokens.</summary>
    /// <param name="embedding">The vectors.</param>
    /// <param name="tokens">The text of each token, by its id.</param>
    public abstract void Write(TokenEmbeddings embedding, Func<int, string> tokens);

    /// <summary>Adds the fields of a record to a row.</summary>
    protected static void AddTo(RowWriter row, SequenceEmbedding embedding, EmbeddingLayout layout)
    {
        row.Add(embedding.Number);
        row.Add(embedding.Id);
        if (layout.OfRegions) RegionColumns.Add(row, embedding.Region!);
        row.Add(embedding.Bases);
        row.Add(embedding.Tokens);
        row.Add(embedding.Chunks);
        row.Add(embedding.Truncated);
        if (layout.BothStrands) row.Add(Strands.Both);
        if (layout.OfSeveralFiles) row.Add(embedding.Source);
    }

    /// <summary>Adds the fields of a token to a row.</summary>
    protected static void AddTo(RowWriter row, TokenEmbeddings embedding, int token, Func<int, string> tokens, EmbeddingLayout layout)
    {
        int id = embedding.Ids.Span[token];
        row.Add(embedding.Number);
        row.Add(embedding.Id);
        if (layout.OfRegions) row.Add(embedding.Region!.Contig);
        row.Add(embedding.FirstToken + (long)token);
        row.Add(tokens(id));
        row.Add(id);
        RegionColumns.AddToken(
            row, embedding.Starts.Span[token], embedding.Ends.Span[token], layout.OfRegions ? embedding.Region : null, layout.Turned);
        if (layout.OfSeveralFiles) row.Add(embedding.Source);
    }
}
