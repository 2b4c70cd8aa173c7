namespace Dnabert2;

/// <summary>What a model has besides its encoder.</summary>
[Flags]
public enum ModelParts
{
    /// <summary>The encoder alone, <c>bert.</c></summary>
    Encoder = 0,

    /// <summary>The pooler, <c>bert.pooler.</c></summary>
    Pooler = 1,

    /// <summary>The masked-language-model head, <c>cls.predictions.</c></summary>
    MlmHead = 2,

    /// <summary>The sequence classifier, <c>classifier.</c>; it needs the pooler, where the architecture has one.</summary>
    Classifier = 4,

    /// <summary>The head of a causal language model, which predicts the next token, <c>lm_head.</c></summary>
    CausalHead = 8,
}
