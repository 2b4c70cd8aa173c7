using System.Numerics.Tensors;
using System.Text;
using CommunityToolkit.HighPerformance;
using Dnabert2;
using Dnabert2.Embeddings;
using Dnabert2.Sequences;

namespace InPrograms;

/// <summary>The windows of a genome whose vectors are most like that of a sequence.</summary>
public static class SimilaritySearch
{
    public static void Run(string genomeFile, string query, TextWriter output, CancellationToken cancellation)
    {
        const int window = 500, step = 250, shown = 5;
        using SequenceReader reader = SequenceReader.Open(genomeFile, cancellation: cancellation);
        Genome genome = Genome.Read(reader);
        var windows = new List<(string Name, int Start, string Bases)>();
        Span<byte> bases = stackalloc byte[window];
        foreach (string name in genome.Names)
        {
            genome.TryGetLength(name, out long length);
            for (int start = 0; start + window <= length; start += step)
            {
                genome.Read(name, start, bases);
                windows.Add((name, start, Encoding.ASCII.GetString(bases)));
            }
        }

        using Dnabert2Model model = Dnabert2Model.LoadDefault();
        // Both strands alike: what is found does not depend on which of them was sequenced.
        var embedder = new Embedder(model, new EmbedOptions { AverageReverseComplement = true });
        ReadOnlyMemory2D<float> vectors = embedder.Embed(windows.ConvertAll(w => w.Bases), cancellation);   // [windows, hidden]
        ReadOnlyMemory2D<float> wanted = embedder.Embed([query], cancellation);                            // [1, hidden]

        var scores = new float[windows.Count];
        for (int i = 0; i < scores.Length; i++)
            scores[i] = TensorPrimitives.CosineSimilarity(vectors.Span.GetRowSpan(i), wanted.Span.GetRowSpan(0));
        foreach (int i in Enumerable.Range(0, scores.Length).OrderByDescending(i => scores[i]).Take(shown))
            output.WriteLine($"{windows[i].Name}:{windows[i].Start + 1}-{windows[i].Start + window}\t{scores[i]:F4}");
    }
}
