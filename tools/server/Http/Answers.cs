using System.Text.Json.Nodes;
using System.Text.Json.Serialization;

namespace Dnabert2.Server.Http;

/// <summary>A token of <c>/tokenize</c>.</summary>
/// <param name="Id">Its id.</param>
/// <param name="Text">Its text.</param>
/// <param name="Special">Whether it stands for no bases.</param>
/// <param name="Start">Its first base, counted from 0 in the input; null where it stands for none.</param>
/// <param name="Stop">One past its last base.</param>
internal readonly record struct Token(int Id, string Text, bool Special, int? Start, int? Stop);

/// <summary>What <c>/predict</c> says of a class.</summary>
internal readonly record struct Score([property: JsonPropertyName("score")] float Value, string Label);

/// <summary>An error, as text-embeddings-inference has it.</summary>
internal sealed record ErrorAnswer(string Error, string ErrorType);

/// <summary>An error, as OpenAI has it.</summary>
internal sealed record OpenAIErrorAnswer(OpenAIError Error);

/// <summary>The fields of that.</summary>
internal sealed record OpenAIError(string Message, string Type, string? Param, string? Code);

/// <summary>The answer of <c>/v1/embeddings</c>, for its description.</summary>
internal sealed record OpenAIAnswer(string Object, IReadOnlyList<OpenAIEmbedding> Data, string Model, OpenAIUsage Usage);

/// <summary>A vector of that: numbers, or their base64.</summary>
internal sealed record OpenAIEmbedding(string Object, int Index, JsonNode Embedding);

/// <summary>The tokens that were computed, special ones included.</summary>
internal sealed record OpenAIUsage(long PromptTokens, long TotalTokens);

/// <summary>The answer of <c>/info</c>.</summary>
internal sealed record InfoAnswer(
    string ModelId, string? ModelSha, string ModelDtype, JsonObject ModelType, int MaxConcurrentRequests, int MaxInputLength,
    int MaxBatchTokens, int? MaxBatchRequests, int MaxClientBatchSize, bool AutoTruncate, int TokenizationWorkers, string Version,
    string? Sha, string? DockerLabel, int MaxQueueTokens, long MaxBodyBytes, bool Embeds, bool Attributes);

/// <summary>The answer of <c>/attribute</c>.</summary>
/// <param name="Target">What the effects are on: <c>class</c>, <c>value</c> or <c>likelihood</c>.</param>
/// <param name="Class">The class.</param>
/// <param name="Bases">The bases as they were understood.</param>
/// <param name="Effects">[bases, 4]: the effect of A, C, G and T at each base; null where a base is unknown.</param>
internal sealed record AttributeAnswer(string Target, string? Class, string Bases, IReadOnlyList<float?[]> Effects);
