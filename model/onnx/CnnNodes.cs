using Dnabert2.Cnn;

namespace Dnabert2.Onnx;

/// <summary>The convolutional network of Genomic Benchmarks, as <see cref="CnnNetwork"/> has it.</summary>
internal static class CnnNodes
{
    private const float Epsilon = 1e-5f;

    /// <summary>ids [sequences, length] → [sequences, hidden], what the outputs are made of.</summary>
    public static string Encode(Graph g, string ids)
    {
        string x = g.Transpose(g.Gather(g.Values("embeddings.weight"), ids), 0, 2, 1);  // [sequences, embedding, length]
        x = Pooled(g, g.Node("Relu", [Convolved(g, x, 0)]));                        // [sequences, 16, length₁]
        x = Pooled(g, Convolved(g, x, 4));                                          // [sequences, 8, length₂]
        x = Pooled(g, Convolved(g, x, 7));                                          // [sequences, 4, length₃]
        x = g.Node("Flatten", [x], Graph.Attribute("axis", 1));                     // [sequences, 4 · length₃]
        return g.Linear(x, "dense_model.0");                                        // [sequences, hidden]
    }

    /// <summary>[sequences, hidden] → logits [sequences, labels]; with two classes that of the first is 0.</summary>
    public static string Classify(Graph g, CnnConfig c, string x)
    {
        string logits = g.Linear(x, "dense_model.1");                               // [sequences, outputs]
        return c.Outputs == 1 ? g.Mul(logits, g.Constant(Initializer.Of("classes", [0f, 1f], 1, 2))) : logits;
    }

    /// <summary>A convolution, and the normalisation behind it.</summary>
    private static string Convolved(Graph g, string x, int place)
    {
        string name = $"cnn_model.{place}", norm = $"cnn_model.{place + 1}";
        x = g.Node("Conv", [x, g.Values(name + ".weight"), g.Values(name + ".bias")]);
        string[] statistics = [.. new[] { "weight", "bias", "running_mean", "running_var" }.Select(part => g.Values($"{norm}.{part}"))];
        return g.Node("BatchNormalization", [x, .. statistics], Graph.Attribute("epsilon", Epsilon));
    }

    private static string Pooled(Graph g, string x) =>
        g.Node("MaxPool", [x], Graph.Attribute("kernel_shape", [2]), Graph.Attribute("strides", [2]));
}
