using System.ComponentModel;
using System.Text.Json.Serialization;

namespace Dnabert2.Server.Http;

/// <summary>The body of <c>/embed</c>.</summary>
internal sealed record EmbedRequest
{
    [JsonRequired]
    [Description("A sequence of bases, or several.")]
    public Sequences Inputs { get; init; }

    [Description("Whether the beginning of a sequence that is too long is embedded, rather than an error given.")]
    public bool? Truncate { get; init; }

    [Description("From the right, where sequences are truncated.")]
    public string? TruncationDirection { get; init; }

    [Description("Whether vectors have length 1; true unless given.")]
    public bool? Normalize { get; init; }

    [Description("The width of the vectors, if it is to be checked.")]
    public int? Dimensions { get; init; }
}

/// <summary>The body of <c>/predict</c>.</summary>
internal sealed record PredictRequest
{
    [JsonRequired]
    [Description("A sequence, a pair [a, b], or a batch of such: [[a], [a, b]].")]
    public SequencePairs Inputs { get; init; }

    [Description("Whether the beginning of a sequence that is too long is looked at, rather than an error given.")]
    public bool? Truncate { get; init; }

    [Description("From the right, where sequences are truncated.")]
    public string? TruncationDirection { get; init; }

    [Description("Whether scores are logits rather than probabilities.")]
    public bool? RawScores { get; init; }
}

/// <summary>The body of <c>/tokenize</c>.</summary>
internal sealed record TokenizeRequest
{
    [JsonRequired]
    [Description("A sequence of bases, or several.")]
    public Sequences Inputs { get; init; }

    [Description("Whether the tokens that begin and end a sequence are given; true unless given.")]
    public bool? AddSpecialTokens { get; init; }
}

/// <summary>The body of <c>/v1/embeddings</c>.</summary>
internal sealed record OpenAIRequest
{
    [JsonRequired]
    [Description("A sequence of bases, or several.")]
    public Sequences Input { get; init; }

    [Description("Any name; the one model that is served answers.")]
    public string? Model { get; init; }

    [Description("float, or base64 of little-endian float32.")]
    public string? EncodingFormat { get; init; }

    [Description("The width of the vectors, if it is to be checked: it cannot be changed.")]
    public int? Dimensions { get; init; }

    public string? User { get; init; }
}

/// <summary>The body of <c>/attribute</c>.</summary>
internal sealed record AttributeRequest
{
    [JsonRequired]
    [Description("A sequence of bases.")]
    public string Inputs { get; init; } = "";

    [Description("The class whose probability counts; the most probable one unless given.")]
    public string? Class { get; init; }
}
