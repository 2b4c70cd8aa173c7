using System.Text.Json;
using System.Text.Json.Serialization;

namespace Dnabert2.Server.Http;

/// <summary>The JSON of requests and answers.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower, AllowDuplicateProperties = false, MaxDepth = 16,
    ReadCommentHandling = JsonCommentHandling.Disallow, RespectNullableAnnotations = true)]
[JsonSerializable(typeof(EmbedRequest))]
[JsonSerializable(typeof(PredictRequest))]
[JsonSerializable(typeof(TokenizeRequest))]
[JsonSerializable(typeof(OpenAIRequest))]
[JsonSerializable(typeof(AttributeRequest))]
[JsonSerializable(typeof(List<List<Token>>))]
[JsonSerializable(typeof(List<List<Score>>))]
[JsonSerializable(typeof(ErrorAnswer))]
[JsonSerializable(typeof(OpenAIErrorAnswer))]
[JsonSerializable(typeof(OpenAIAnswer))]
[JsonSerializable(typeof(InfoAnswer))]
[JsonSerializable(typeof(AttributeAnswer))]
[JsonSerializable(typeof(float[][]))]
internal sealed partial class ServerJson : JsonSerializerContext;
