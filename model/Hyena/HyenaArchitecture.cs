using Dnabert2.Folders;
using Dnabert2.Tokenizers;
using Engine.Autograd;
using Engine.Runtime;

namespace Dnabert2.Hyena;

/// <summary>Folders of HyenaDNA, which have no file of a vocabulary.</summary>
internal sealed class HyenaArchitecture : Architecture
{
    public override string Name => "HyenaDNA";

    public override Type Model => typeof(HyenaModel);

    public override string? TokenizerFile => null;

    public override string ClassifierWeight => "score.weight";

    public override string DescribeConfig(string path)
    {
        HyenaConfig c = HyenaConfig.Load(path);
        return $"{Name}, vocabulary {c.VocabSize}, width {c.DModel}, {c.NLayer} layers, feed-forward {c.DInner}, filters of "
            + $"{c.FilterOrder}, at most {c.MaxSeqLen} tokens";
    }

    public override string DescribeTokenizer(string config, string? tokenizer)
    {
        var t = new HyenaTokenizer();
        return $"{t.VocabularySize} ids, a token a letter, " + Special(t, "[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK]");
    }

    public override SequenceModel Make(
        ModelSource source, int? labels, Backend? backend, ModelParts parts, Action<ParameterSet> fill, Action<SequenceModel>? prepare)
    {
        HyenaConfig config = HyenaConfig.Load(source.ConfigPath);
        int ids = new HyenaTokenizer().VocabularySize;
        if (config.VocabRows < ids)
            throw new InvalidDataException(
                $"{source.ConfigPath}: vocab_size is {config.VocabSize}, in rows {config.VocabRows}; HyenaDNA's tokenizer has {ids} ids: "
                + "it is the config.json of another model");
        return HyenaModel.Make(config with { NumLabels = labels ?? config.NumLabels }, backend, parts, fill, prepare);
    }

    public override Func<ModelWeight, ModelWeights, string?> BesidesParameters(ModelSource source) =>
        new HyenaBuffers(HyenaConfig.Load(source.ConfigPath)).FaultOf;
}
