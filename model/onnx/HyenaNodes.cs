using Dnabert2.Hyena;

namespace Dnabert2.Onnx;

/// <summary>
/// HyenaDNA: the backbone as its class has it, and its heads. The convolution as long as the sequence is a product of Fourier transforms,
/// O(n^1.5) in time and O(n) in memory; see <see cref="FourierNodes"/>. (As a Toeplitz matrix for each channel it would take n² of both,
/// and as ONNX's Conv with a kernel of n positions n² in time, and in some runtimes in memory.) The filter is computed by its network in
/// each run, from a table of positions, so that the file does not grow with the longest sequence by more than that table, and short
/// sequences pay for short filters.
/// </summary>
internal static class HyenaNodes
{
    /// <summary>See <see cref="HyenaBackbone"/>: → [sequences, length, d].</summary>
    public static string Encode(Graph g, HyenaConfig c, Tokens tokens)
    {
        const string backbone = "hyena.backbone.";
        string x = g.Gather(g.Values(backbone + "embeddings.word_embeddings.weight"), tokens.Ids);
        var mixer = new Mixer(g, c, tokens);
        for (int i = 0; i < c.NLayer; i++)
        {
            string name = $"{backbone}layers.{i}.";
            x = g.Add(mixer.Forward(g.LayerNorm(x, name + "norm1", c.LayerNormEpsilon), name + "mixer."), x);
            string inner = g.GeluTanh(g.Linear(g.LayerNorm(x, name + "norm2", c.LayerNormEpsilon), name + "mlp.fc1"));
            x = g.Add(g.Linear(inner, name + "mlp.fc2"), x);
        }

        return tokens.Attended(g.LayerNorm(x, backbone + "ln_f", c.LayerNormEpsilon));
    }

    /// <summary>The classifier: [sequences, length, d] → [sequences, labels].</summary>
    public static string Classify(Graph g, HyenaConfig c, string x, Tokens tokens) =>
        g.Linear(c.Pooling == HyenaPooling.Mean ? tokens.Mean(x) : tokens.Last(x), "score");

    /// <summary>The operator that mixes positions. What it shares between layers is computed once.</summary>
    private sealed class Mixer
    {
        private readonly Graph _graph;
        private readonly HyenaConfig _config;
        private readonly Tokens _tokens;
        private readonly FourierNodes _fourier;
        private readonly string _row, _length, _positions, _decay;

        public Mixer(Graph g, HyenaConfig c, Tokens tokens)
        {
            (_graph, _config, _tokens) = (g, c, tokens);
            _row = g.Unsqueeze(tokens.Mask, 1);                                     // [sequences, 1, length]
            string[] extents = g.Split(g.Node("Shape", [tokens.Ids]), 2, 0);
            _length = extents[1];                                                   // [1]
            _fourier = new FourierNodes(g, _length, c.MaxSeqLen);
            var buffers = new HyenaBuffers(c);
            _positions = First(g.Constant(Initializer.Of("filter.positions", buffers.Positions, c.MaxSeqLen, c.EmbDim)));
            string times = First(g.Constant(Initializer.Of("filter.times", buffers.Times, c.MaxSeqLen, 1)));
            float[] decays = [.. buffers.Decays.Select(decay => -MathF.Abs(decay))];
            string exponents = g.Mul(times, g.Constant(Initializer.Of("filter.decays", decays, c.DModel)));
            _decay = g.Add(g.Node("Exp", [exponents]), g.Constant(0.05f));          // [length, d]
        }

        /// <summary>u [sequences, length, d] → [sequences, length, d].</summary>
        public string Forward(string u, string name)
        {
            Graph g = _graph;
            // Padding is 0 to both convolutions, as what precedes the start: before a sequence it changes nothing.
            string p = g.Transpose(_tokens.Attended(g.Linear(u, name + "in_proj")), 0, 2, 1);   // [sequences, 3 · d, length]
            string s = g.Node(
                "Conv", [p, g.Values(name + "short_filter.weight"), g.Values(name + "short_filter.bias")],
                Graph.Attribute("group", 3 * _config.DModel), Graph.Attribute("pads", _config.ShortFilterOrder - 1, 0));
            string[] parts = g.Split(s, 3, 1);                                      // x0, x1, v: [sequences, d, length]
            string v = g.Mul(g.Mul(parts[2], parts[1]), _row);                      // [sequences, d, length]
            string skipped = g.Mul(v, g.Unsqueeze(g.Values(name + "filter_fn.bias"), 1));
            string y = g.Add(_fourier.Convolve(v, Filter(name + "filter_fn.")), skipped);       // [sequences, d, length]
            return g.Linear(g.Transpose(g.Mul(y, parts[0]), 0, 2, 1), name + "out_proj");       // [sequences, length, d]
        }

        /// <summary>The filter of the first positions, [1, d, length].</summary>
        private string Filter(string name)
        {
            Graph g = _graph;
            string frequency = g.Values(name + "implicit_filter.1.freq");           // [1, order]
            string h = _positions;                                                  // [length, emb]
            foreach (int layer in (ReadOnlySpan<int>)[0, 2, 4])
                h = g.Node("Sin", [g.Mul(g.Linear(h, $"{name}implicit_filter.{layer}"), frequency)]);   // [length, order]
            string k = g.Mul(g.Linear(h, name + "implicit_filter.6"), _decay);      // [length, d]
            return g.Unsqueeze(g.Transpose(k, 1, 0), 0);                            // [1, d, length]
        }

        private string First(string table) => _graph.Node("Slice", [table, _graph.List(0), _length, _graph.List(0)]);
    }
}
