using Dnabert2.Embeddings;

namespace Dnabert2.Tool.Output;

/// <summary>Vectors as text: a row for each, with what it is of and its numbers in columns <c>d0</c>, <c>d1</c>, ….</summary>
internal sealed class EmbeddingTable : EmbeddingOutput
{
    private readonly RowWriter _rows;
    private readonly EmbeddingLayout _layout;

    public EmbeddingTable(RowWriter rows, EmbeddingLayout layout)
    {
        (_rows, _layout) = (rows, layout);
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
}
