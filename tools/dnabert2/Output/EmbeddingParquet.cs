using Dnabert2.Embeddings;
using Dnabert2.Sequences;
using Dnabert2.Tool.Pieces;

namespace Dnabert2.Tool.Output;

/// <summary>Vectors as Parquet: the columns of the table that say what a row is of, and <c>vector</c>, a list of floats.</summary>
internal sealed class EmbeddingParquet : EmbeddingOutput
{
    private readonly EmbeddingLayout _layout;
    private readonly ParquetColumn[] _columns;
    private readonly ParquetWriter _writer;
    private int _next;

    public EmbeddingParquet(string path, RowResult result, EmbeddingLayout layout)
    {
        _layout = layout;
        _columns = [.. layout.Columns.Select(name => new ParquetColumn(name, TypeOf(name))), new("vector", ParquetType.Floats)];
        _writer = result.Add(path, (stream, run) => new ParquetBlocks(new ParquetWriter(stream, _columns), _columns, run)).Writer!;
    }

    public override void Write(SequenceEmbedding embedding)
    {
        Next().Add(embedding.Number);
        Next().Add(embedding.Id);
        if (_layout.OfRegions)
        {
            Next().Add(embedding.Region!.Contig);
            Add(embedding.Region!);
        }

        Next().Add(embedding.Bases);
        Next().Add(embedding.Tokens);
        Next().Add((long)embedding.Chunks);
        Next().Add(embedding.Truncated);
        End(embedding.Source, embedding.Vector.Span);
    }

    public override void Write(TokenEmbeddings embedding, Func<int, string> tokens)
    {
        for (int i = 0; i < embedding.Ids.Length; i++)
        {
            int id = embedding.Ids.Span[i], start = embedding.Starts.Span[i], end = embedding.Ends.Span[i];
            Next().Add(embedding.Number);
            Next().Add(embedding.Id);
            if (_layout.OfRegions) Next().Add(embedding.Region!.Contig);
            Next().Add((long)embedding.FirstToken + i);
            Next().Add(tokens(id));
            Next().Add((long)id);
            if (_layout.OfRegions) Add(RegionColumns.PartOf(embedding.Region!, start, end, _layout.Turned));
            else
            {
                Next().Add((long)start);
                Next().Add((long)end);
            }

            End(embedding.Source, embedding.Vectors.Span.GetRowSpan(i));
        }
    }

    private static ParquetType TypeOf(string column) => column switch
    {
        "id" or "contig" or "strand" or "token" or "source" or Strands.Column => ParquetType.Text,
        "truncated" => ParquetType.Boolean,
        _ => ParquetType.Int64,
    };

    private ParquetColumn Next() => _columns[_next++];

    private void Add(GenomeRegion region)
    {
        Next().Add(region.Start);
        Next().Add(region.End);
        Next().Add(region.StrandSign.ToString());
    }

    private void End(string source, ReadOnlySpan<float> vector)
    {
        if (_layout.BothStrands) Next().Add(Strands.Both);
        if (_layout.OfSeveralFiles) Next().Add(source);
        Next().Add(vector);
        _writer.EndRow();
        _next = 0;
        Rows++;
    }
}
