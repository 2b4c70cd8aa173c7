using System.Text.Json;
using System.Text.Json.Nodes;
using Dnabert2.Server.Serving;

namespace Dnabert2.Server.Http;

/// <summary>The routes of text-embeddings-inference.</summary>
internal sealed class TeiRoutes(ComputeRoute route, Requests requests, ServedModel model, ServerOptions options, ComputeThread compute)
{
    /// <summary>How many sequences of a request were cut, where its client asked for that.</summary>
    public const string TruncatedHeader = "X-Truncated-Inputs";

    /// <summary>Adds them to a server.</summary>
    public void Map(IEndpointRouteBuilder app)
    {
        // Clients of Hugging Face that know a server's address alone post there.
        foreach (string path in (string[])["/embed", .. model.Classifier is null ? (string[])["/"] : []])
        {
            app.MapPost(path, (Delegate)Embed).Accepts<EmbedRequest>("application/json").Produces<float[][]>().Errors()
                .WithSummary("Vectors of sequences").WithTags("text-embeddings-inference");
        }

        foreach (string path in (string[])["/predict", .. model.Classifier is null ? (string[])[] : ["/"]])
        {
            app.MapPost(path, (Delegate)Predict).Accepts<PredictRequest>("application/json").Produces<List<List<Score>>>().Errors()
                .WithSummary("The classes of sequences or pairs, the most probable one first; of one input, its classes alone")
                .WithTags("text-embeddings-inference");
        }

        app.MapPost("/tokenize", (Delegate)Tokenize).Accepts<TokenizeRequest>("application/json").Produces<List<List<Token>>>().Errors()
            .WithSummary("The tokens of sequences").WithTags("text-embeddings-inference");
        app.MapGet("/info", Info).Produces<InfoAnswer>().WithSummary("The model and the limits").WithTags("text-embeddings-inference");
        app.MapGet("/health", Health).WithSummary("200 where the server works").WithTags("text-embeddings-inference");
    }

    private Task Embed(HttpContext http) => route.Run(http, isOpenAI: false, ServerJson.Default.EmbedRequest,
        async (request, admitted, cancellation) =>
        {
            CheckDirection(request.TruncationDirection);
            VectorWriter.CheckWidth(request.Dimensions, model.Model.HiddenSize);
            Embedded embedded = await requests.Embed(
                request.Inputs.All, request.Truncate == true, admitted, "inputs", cancellation);
            if (request.Normalize != false) VectorWriter.Normalize(embedded.Vectors);
            Note(http, embedded.Truncated);
            await VectorWriter.Write(http, embedded.Vectors, cancellation);
        });

    private Task Predict(HttpContext http) => route.Run(http, isOpenAI: false, ServerJson.Default.PredictRequest,
        async (request, _, cancellation) =>
        {
            CheckDirection(request.TruncationDirection);
            Classified classified = await requests.Classify(
                request.Inputs.All, request.Truncate == true, request.RawScores == true, cancellation);
            Note(http, classified.Truncated);
            var scores = classified.Scores.Select(row => row
                .Select((score, id) => new Score((float)score, model.Labels[id])).OrderByDescending(score => score.Value).ToList())
                .ToList();
            if (request.Inputs.IsBatch) await http.Response.WriteAsJsonAsync(scores, ServerJson.Default.ListListScore, null, cancellation);
            else await http.Response.WriteAsJsonAsync(scores[0], ServerJson.Default.ListScore, null, cancellation);
        });

    private Task Tokenize(HttpContext http) => route.Run(http, isOpenAI: false, ServerJson.Default.TokenizeRequest,
        async (request, _, cancellation) =>
        {
            List<List<Token>> tokens = requests.Tokenize(request.Inputs.All, request.AddSpecialTokens != false, cancellation);
            await http.Response.WriteAsJsonAsync(tokens, ServerJson.Default.ListListToken, null, cancellation);
        });

    private IResult Info()
    {
        var type = new JsonObject();
        if (model.Classifier is null)
        {
            type["embedding"] = new JsonObject { ["pooling"] = JsonNamingPolicy.SnakeCaseLower.ConvertName(options.Pooling.ToString()) };
        }
        else
        {
            var names = model.Labels.Select((name, id) => (name, id)).ToList();
            type["classifier"] = new JsonObject
            {
                ["id2label"] = new JsonObject(names.Select(n => KeyValuePair.Create($"{n.id}", (JsonNode?)JsonValue.Create(n.name)))),
                ["label2id"] = new JsonObject(names.Select(n => KeyValuePair.Create(n.name, (JsonNode?)JsonValue.Create(n.id)))),
            };
        }

        var info = new InfoAnswer(
            options.ModelId, null, options.Dtype, type, options.MaxRequests, model.MaxInputTokens, options.MaxBatchTokens, null,
            options.MaxClientBatch, AutoTruncate: false, Environment.ProcessorCount,
            typeof(TeiRoutes).Assembly.GetName().Version!.ToString(3), null, null, options.MaxQueueTokens, options.MaxBodyBytes,
            model.NoVectors is null, model.NoAttribution is null);
        return Results.Json(info, ServerJson.Default.InfoAnswer);
    }

    private IResult Health() => compute.IsAlive ? Results.Ok()
        : Results.Json(
            new ErrorAnswer("the thread that computes has ended", nameof(FaultKind.Unhealthy)), ServerJson.Default.ErrorAnswer,
            statusCode: StatusCodes.Status503ServiceUnavailable);

    private static void CheckDirection(string? direction)
    {
        if (direction is not null && !direction.Equals("right", StringComparison.OrdinalIgnoreCase))
            throw RequestFault.Invalid("truncation_direction: sequences are truncated on the right alone", "truncation_direction");
    }

    private static void Note(HttpContext http, int truncated)
    {
        if (truncated > 0) http.Response.Headers[TruncatedHeader] = $"{truncated}";
    }
}
