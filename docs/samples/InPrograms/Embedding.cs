using System.Numerics.Tensors;
using CommunityToolkit.HighPerformance;
using Dnabert2;
using Dnabert2.Embeddings;
using Dnabert2.Sequences;

namespace InPrograms;

/// <summary>Sequences in, vectors out: of strings in memory, and of a file of any size.</summary>
public static class Embedding
{
    public static async Task RunAsync(string fasta, TextWriter output, CancellationToken cancellation)
    {
        using Dnabert2Model model = Dnabert2Model.LoadDefault();            // or Dnabert2Model.Load("DNABERT-2-117M")
        var embedder = new Embedder(model);

        ReadOnlyMemory2D<float> two = await embedder.EmbedAsync(["ACGTTGCATTGACCA", "GGGATTTACCCATTG"], cancellation);   // [2, hidden]
        float likeness = TensorPrimitives.CosineSimilarity(two.Span.GetRowSpan(0), two.Span.GetRowSpan(1));
        await output.WriteLineAsync($"two sequences, {two.Width} numbers each, cosine similarity {likeness:F3}");

        // Records stream through: memory does not grow with their number.
        IEnumerable<SequenceRecord> records = SequenceReader.Read(fasta, cancellation: cancellation);
        await foreach (SequenceEmbedding e in embedder.EmbedAsync(records, cancellation: cancellation))
            await output.WriteLineAsync($"{e.Id}: {e.Bases} bases, {e.Tokens} tokens, first number {e.Vector.Span[0]:F4}");
    }
}
