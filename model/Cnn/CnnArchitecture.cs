using Dnabert2.Folders;
using Dnabert2.Tokenizers;
using Engine.Autograd;
using Engine.Runtime;

namespace Dnabert2.Cnn;

/// <summary>Folders of the convolutional network of Genomic Benchmarks.</summary>
internal sealed class CnnArchitecture : Architecture
{
    public override string Name => "the CNN of Genomic Benchmarks";

    public override Type Model => typeof(CnnModel);

    public override string TokenizerFile => ModelSource.VocabularyFile;

    public override string ClassifierWeight => "dense_model.1.weight";

    public override string DescribeConfig(string path)
    {
        CnnConfig c = CnnConfig.Load(path);
        return $"{Name}, vocabulary {c.VocabSize}, embeddings {c.EmbeddingDim}, rows of {c.InputLength} tokens, hidden {c.HiddenSize}, "
            + $"{c.NumLabels} classes";
    }

    public override string DescribeTokenizer(string config, string? tokenizer)
    {
        LetterVocabulary t = LetterVocabulary.Load(tokenizer!, CnnConfig.Load(config).InputLength);
        return $"{t.VocabularySize} ids, a token a letter, " + Special(t, "<unk>", "<bos>", "<eos>", "<pad>", "<mask>");
    }

    public override SequenceModel Make(
        ModelSource source, int? labels, Backend? backend, ModelParts parts, Action<ParameterSet> fill, Action<SequenceModel>? prepare)
    {
        CnnConfig config = CnnConfig.Load(source.ConfigPath);
        return CnnModel.Make(
            config with { NumLabels = labels ?? config.NumLabels },
            LetterVocabulary.Load(source.VocabularyPath, config.InputLength), backend, fill, prepare);
    }
}
