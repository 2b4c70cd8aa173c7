using Dnabert2.Dnabert;
using Dnabert2.NucleotideTransformer;
using Engine.Kernels;
using Engine.Runtime;

namespace Dnabert2.Onnx;

/// <summary>The transformers: the encoders as their classes have them, and their heads.</summary>
internal static class TransformerNodes
{
    /// <summary>See <see cref="Encoder"/>: → [sequences, length, hidden].</summary>
    public static string Encode(Graph g, Dnabert2Config c, Tokens tokens, Backend backend)
    {
        string x = BertEmbeddings(g, tokens, c.LayerNormEps);
        var attention = new AttentionNodes(g, tokens, c.HiddenSize, c.NumAttentionHeads, c.Attention.Name, backend);
        for (int i = 0; i < c.NumHiddenLayers; i++)
        {
            string name = $"bert.encoder.layer.{i}.";
            string[] qkv = g.Split(g.Linear(x, name + "attention.self.Wqkv"), 3, -1);
            string context = attention.Forward(qkv[0], qkv[1], qkv[2], name);
            x = g.Add(g.Linear(context, name + "attention.output.dense"), x);
            x = g.LayerNorm(x, name + "attention.output.LayerNorm", c.LayerNormEps);
            string gated = g.GatedUnit(g.Linear(x, name + "mlp.gated_layers"), silu: false);
            x = g.LayerNorm(g.Add(g.Linear(gated, name + "mlp.wo"), x), name + "mlp.layernorm", c.LayerNormEps);
        }

        return tokens.Attended(x);
    }

    /// <summary>See <see cref="DnabertEncoder"/>: → [sequences, length, hidden].</summary>
    public static string Encode(Graph g, DnabertConfig c, Tokens tokens, Backend backend)
    {
        string x = BertEmbeddings(g, tokens, c.LayerNormEps);
        var attention = new AttentionNodes(g, tokens, c.HiddenSize, c.NumAttentionHeads, "none", backend);
        for (int i = 0; i < c.NumHiddenLayers; i++)
        {
            string name = $"bert.encoder.layer.{i}.";
            string context = SeparateAttention(g, attention, x, name);
            x = g.Add(g.Linear(context, name + "attention.output.dense"), x);
            x = g.LayerNorm(x, name + "attention.output.LayerNorm", c.LayerNormEps);
            string inner = g.Gelu(g.Linear(x, name + "intermediate.dense"));
            x = g.LayerNorm(g.Add(g.Linear(inner, name + "output.dense"), x), name + "output.LayerNorm", c.LayerNormEps);
        }

        return tokens.Attended(x);
    }

    /// <summary>See <see cref="NucleotideTransformerEncoder"/>: → [sequences, length, hidden].</summary>
    public static string Encode(Graph g, NucleotideTransformerConfig c, Tokens tokens, Backend backend)
    {
        string x = g.Gather(g.Values("esm.embeddings.word_embeddings.weight"), tokens.Ids);
        if (c.TokenDropout) x = ScaleEmbeddings(g, x, tokens, c.MaskTokenId);
        if (c.Version == 1)
        {
            string positions = g.Add(tokens.Positions, g.Whole(c.FirstPosition));
            x = g.Add(x, g.Gather(g.Values("esm.embeddings.position_embeddings.weight"), positions));
        }

        string kind = c.Version == 1 ? "none" : $"rotary:{c.Positions}";
        var attention = new AttentionNodes(g, tokens, c.HiddenSize, c.NumAttentionHeads, kind, backend);
        for (int i = 0; i < c.NumHiddenLayers; i++)
        {
            string name = $"esm.encoder.layer.{i}.";
            string normalised = g.LayerNorm(x, name + "attention.LayerNorm", c.LayerNormEps);
            string context = SeparateAttention(g, attention, normalised, name);
            x = g.Add(g.Linear(context, name + "attention.output.dense"), x);
            string inner = g.Linear(g.LayerNorm(x, name + "LayerNorm", c.LayerNormEps), name + "intermediate.dense");
            inner = c.Version == 1 ? g.Gelu(inner) : g.GatedUnit(inner, silu: true);
            x = g.Add(g.Linear(inner, name + "output.dense"), x);
        }

        return tokens.Attended(g.LayerNorm(x, "esm.encoder.emb_layer_norm_after", c.LayerNormEps));
    }

    /// <summary>The head of masked tokens: [sequences, length, hidden] → [sequences, length, vocabulary].</summary>
    public static string BertMlmHead(Graph g, string x, float epsilon)
    {
        const string name = "cls.predictions.";
        string t = g.LayerNorm(g.Gelu(g.Linear(x, name + "transform.dense")), name + "transform.LayerNorm", epsilon);
        return g.Linear(t, name + "decoder");
    }

    /// <summary>The head of masked tokens: [sequences, length, hidden] → [sequences, length, vocabulary].</summary>
    public static string EsmMlmHead(Graph g, string x, float epsilon)
    {
        string t = g.LayerNorm(g.Gelu(g.Linear(x, "lm_head.dense")), "lm_head.layer_norm", epsilon);
        return g.Add(g.MatMul(t, g.Values("lm_head.decoder.weight", Layout.Transposed)), g.Values("lm_head.bias"));
    }

    /// <summary>Pooler and classifier: [sequences, length, hidden] → [sequences, labels].</summary>
    public static string BertClassifier(Graph g, string x, Tokens tokens, Pooling pooling)
    {
        string pooled = pooling == Pooling.Mean ? tokens.Mean(x) : tokens.First(x);
        return g.Linear(g.Node("Tanh", [g.Linear(pooled, "bert.pooler.dense")]), "classifier");
    }

    /// <summary>The classifier: [sequences, length, hidden] → [sequences, labels].</summary>
    public static string EsmClassifier(Graph g, string x, Tokens tokens) =>
        g.Linear(g.Node("Tanh", [g.Linear(tokens.First(x), "classifier.dense")]), "classifier.out_proj");

    /// <summary>Words, positions where there are any, and type 0, normalised.</summary>
    private static string BertEmbeddings(Graph g, Tokens tokens, float epsilon)
    {
        const string name = "bert.embeddings.", positions = name + "position_embeddings.weight";
        string x = g.Gather(g.Values(name + "word_embeddings.weight"), tokens.Ids);
        if (g.Has(positions)) x = g.Add(x, g.Gather(g.Values(positions), tokens.Positions));
        x = g.Add(x, g.Values(name + "token_type_embeddings.weight", Layout.FirstRow));
        return g.LayerNorm(x, name + "LayerNorm", epsilon);
    }

    private static string SeparateAttention(Graph g, AttentionNodes attention, string x, string layer)
    {
        string name = layer + "attention.self.";
        return attention.Forward(g.Linear(x, name + "query"), g.Linear(x, name + "key"), g.Linear(x, name + "value"), layer);
    }

    /// <summary>See <see cref="ApplyTokenDropout"/>, which acts in inference, too.</summary>
    private static string ScaleEmbeddings(Graph g, string x, Tokens tokens, int mask)
    {
        const float kept = 0.88f;
        string isMask = g.ToFloat(g.Node("Equal", [tokens.Ids, g.Whole(mask)]));    // [sequences, length]
        string masks = g.Node("ReduceSum", [g.Mul(isMask, tokens.Mask), g.List(1)]);// [sequences, 1]
        string share = g.Div(masks, g.Node("Max", [tokens.Count, g.Constant(1)]));  // [sequences, 1]
        // A sequence of masks alone is divided by 0, and then all its tokens are 0: the divisor may be anything.
        string rest = g.Node("Max", [g.Sub(g.Constant(1), share), g.Constant(1e-6f)]);
        string scale = g.Mul(g.Div(g.Constant(kept), rest), g.Sub(g.Constant(1), isMask));
        return g.Mul(x, g.Unsqueeze(scale, 2));                                     // [sequences, length, hidden]
    }
}
