using Dnabert2.Folders;
using Engine.Kernels;

namespace Dnabert2.NucleotideTransformer;

/// <summary>
/// What the published files of version 2 store in each layer besides parameters: the frequencies of the rotary positions.
/// </summary>
/// <param name="config">The hyper-parameters.</param>
internal sealed class RotaryFrequencies(NucleotideTransformerConfig config)
{
    private const string Suffix = ".attention.self.rotary_embeddings.inv_freq";

    // They are powers of float32, and may have been stored in fewer bits.
    private const double LargestError = 1e-2;

    /// <summary>What is wrong with a tensor that is no parameter, for people; null where it is one of these and nothing is.</summary>
    /// <param name="weight">The tensor.</param>
    /// <param name="weights">All of the folder.</param>
    public string? FaultOf(ModelWeight weight, ModelWeights weights)
    {
        bool isOne = config.Version == 2
            && Enumerable.Range(0, config.NumHiddenLayers).Any(layer => weight.Name == $"esm.encoder.layer.{layer}{Suffix}");
        if (!isOne) return $"extra: {weight.Entry}";
        int headSize = config.HiddenSize / config.NumAttentionHeads;
        var shape = new Shape(headSize / 2);
        if (weight.Entry.Shape != shape) return $"mis-shaped: {weight.Entry}, expected {shape}";
        var values = new float[headSize / 2];
        weight.File.Read(weight.Entry, values);
        for (int i = 0; i < values.Length; i++)
        {
            double expected = Math.Pow(10_000, -2.0 * i / headSize);
            if (!(Math.Abs(values[i] - expected) <= LargestError * expected))
                return $"not as the model computes it: {weight.Entry} has {values[i]} at element {i}, expected {expected}";
        }

        return null;
    }
}
