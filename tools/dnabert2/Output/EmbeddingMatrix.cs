using System.Runtime.InteropServices;
using Dnabert2.Embeddings;
using Dnabert2.Files;

namespace Dnabert2.Tool.Output;

/// <summary>
/// Vectors as a binary matrix of little-endian fp32, and a table beside it that says what each row is of. The header is written last,
/// when the number of rows is known, so that any number of them streams through.
/// </summary>
internal sealed class EmbeddingMatrix : EmbeddingOutput
{
    private readonly FileStream _data;
    private readonly ResultFiles _files;
    private readonly RowWriter _ids;
    private readonly EmbeddingLayout _layout;
    private readonly Func<long, int, byte[]> _header;

    /// <param name="data">The file of the matrix.</param>
    /// <param name="files">The owner of both files.</param>
    /// <param name="ids">The file of the table.</param>
    /// <param name="layout">What they are to hold.</param>
    /// <param name="header">Makes the bytes before the matrix, for a number of rows and a width; their length is always the same.</param>
    public EmbeddingMatrix(FileStream data, ResultFiles files, FileStream ids, EmbeddingLayout layout, Func<long, int, byte[]> header)
    {
        (_data, _files, _ids, _layout, _header) = (data, files, new RowWriter(ids, '\t'), layout, header);
        _data.Write(header(0, layout.Width));
        foreach (string column in layout.Columns) _ids.Add(column);
        _ids.EndRow();
    }

    public override void Write(SequenceEmbedding embedding)
    {
        _data.Write(MemoryMarshal.AsBytes(embedding.Vector.Span));
        AddTo(_ids, embedding, _layout);
        _ids.EndRow();
        Rows++;
    }

    public override void Write(TokenEmbeddings embedding, Func<int, string> tokens)
    {
        for (int i = 0; i < embedding.Ids.Length; i++)
        {
            _data.Write(MemoryMarshal.AsBytes(embedding.Vectors.Span.GetRowSpan(i)));
            AddTo(_ids, embedding, i, tokens, _layout);
            _ids.EndRow();
            Rows++;
        }
    }

    public override void Commit()
    {
        _data.Seek(0, SeekOrigin.Begin);
        _data.Write(_header(Rows, _layout.Width));
        _ids.Flush();
        _files.Commit();
    }

    public override void Dispose() => _files.Dispose();
}
