using System.Numerics.Tensors;
using System.Runtime.InteropServices;
using Dnabert2.Embeddings;
using Dnabert2.Tool.Pieces;

namespace Dnabert2.Tool.Output;

/// <summary>
/// Vectors as a binary matrix of little-endian fp32 or fp16, and a table beside it that says what each row is of. The header is written
/// last, when the number of rows is known, so that any number of them streams through.
/// </summary>
internal sealed class EmbeddingMatrix : EmbeddingOutput
{
    private readonly MatrixBlocks _data;
    private readonly RowWriter _ids;
    private readonly EmbeddingLayout _layout;
    private readonly Half[] _halves;

    /// <param name="path">The file of the matrix.</param>
    /// <param name="name">Its format, as in <see cref="MatrixBlocks.Names"/>.</param>
    /// <param name="result">The result that both files are of.</param>
    /// <param name="layout">What they are to hold.</param>
    public EmbeddingMatrix(string path, string name, RowResult result, EmbeddingLayout layout)
    {
        _data = result.Add(path, (stream, _) => new MatrixBlocks(stream, name, layout.Width, layout.Half, layout.BothStrands));
        _ids = result.AddTable(FilesOf(path)[1], '\t');
        _layout = layout;
        _halves = layout.Half ? new Half[layout.Width] : [];
        _data.Begin();
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
