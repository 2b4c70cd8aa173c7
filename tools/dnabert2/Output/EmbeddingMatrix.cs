using System.Numerics.Tensors;
using System.Runtime.InteropServices;
using Dnabert2.Embeddings;
using Dnabert2.Files;

namespace Dnabert2.Tool.Output;

/// <summary>
/// Vectors as a binary matrix of little-endian fp32 or fp16, and a table beside it that says what each row is of. The header is written
/// last, when the number of rows is known, so that any number of them streams through.
/// </summary>
internal sealed class EmbeddingMatrix : EmbeddingOutput
{
    private readonly FileStream _data;
    private readonly ResultFiles _files;
    private readonly RowWriter _ids;
    private readonly EmbeddingLayout _layout;
    private readonly Func<long, int, byte[]> _header;
    private readonly Half[] _halves;

    /// <param name="data">The file of the matrix.</param>
    /// <param name="files">The owner of both files.</param>
    /// <param name="ids">The file of the table.</param>
    /// <param name="layout">What they are to hold.</param>
    /// <param name="header">Makes the bytes before the matrix, for a number of rows and a width; their length is always the same.</param>
    public EmbeddingMatrix(FileStream data, ResultFiles files, FileStream ids, EmbeddingLayout layout, Func<long, int, byte[]> header)
    {
        (_data, _files, _ids, _layout, _header) = (data, files, new RowWriter(ids, '\t'), layout, header);
        _halves = layout.Half ? new Half[layout.Width] : [];
        _data.Write(header(0, layout.Width));
        foreach (string column in layout.Columns) _ids.Add(column);
        _ids.EndRow();
    }

    public override void Write(SequenceEmbedding embedding)
    {
        Write(embedding.Vector.Span, embedding.Number, embedding.Id);
        AddTo(_ids, embedding, _layout);
        _ids.EndRow();
        Rows++;
    }

    public override void Write(TokenEmbeddings embedding, Func<int, string> tokens)
    {
        for (int i = 0; i < embedding.Ids.Length; i++)
        {
            Write(embedding.Vectors.Span.GetRowSpan(i), embedding.Number, embedding.Id);
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

    private void Write(ReadOnlySpan<float> vector, long number, string id)
    {
        if (!_layout.Half)
        {
            _data.Write(MemoryMarshal.AsBytes(vector));
            return;
        }

        TensorPrimitives.ConvertToHalf(vector, _halves);
        foreach (Half value in _halves)
            if (!Half.IsFinite(value))
                throw new InvalidDataException(
                    $"record {number} '{id}': a number of its vector is beyond {Half.MaxValue}, the largest of f16; "
                    + "give --output-dtype f32");
        _data.Write(MemoryMarshal.AsBytes<Half>(_halves));
    }
}
