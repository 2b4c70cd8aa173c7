using Dnabert2.Embeddings;
using Dnabert2.Files;

namespace Dnabert2.Tool.Output;

/// <summary>Vectors as text: a row for each, with what it is of and its numbers in columns <c>d0</c>, <c>d1</c>, ….</summary>
internal sealed class EmbeddingTable : EmbeddingOutput
{
    private readonly RowWriter _rows;
    private readonly ResultFiles? _files;
    private readonly EmbeddingLayout _layout;

    public EmbeddingTable(Stream stream, char separator, ResultFiles? files, EmbeddingLayout layout)
    {
        (_rows, _files, _layout) = (new RowWriter(stream, separator), files, layout);
        foreach (string column in layout.Columns) _rows.Add(column);
        for (int i = 0; i < layout.Width; i++) _rows.Add($"d{i}");
        _rows.EndRow();
    }

    public override void Write(SequenceEmbedding embedding)
    {
        AddTo(_rows, embedding, _layout);
        _rows.Add(embedding.Vector.Span);
        _rows.EndRow();
        Rows++;
    }

    public override void Write(TokenEmbeddings embedding, Func<int, string> tokens)
    {
        for (int i = 0; i < embedding.Ids.Length; i++)
        {
            AddTo(_rows, embedding, i, tokens, _layout);
            _rows.Add(embedding.Vectors.Span.GetRowSpan(i));
            _rows.EndRow();
            Rows++;
        }
    }

    public override void Commit()
    {
        _rows.Flush();
        _files?.Commit();
    }

    public override void Dispose() => _files?.Dispose();
}
