using Dnabert2.Server.Serving;

namespace Dnabert2.Server.Http;

/// <summary>The route of OpenAI's clients.</summary>
internal sealed class OpenAIRoutes(ComputeRoute route, Requests requests, ServedModel model, ServerOptions options)
{
    /// <summary>Adds it to a server.</summary>
    public void Map(IEndpointRouteBuilder app)
    {
        foreach (string path in (string[])["/v1/embeddings", "/embeddings"])
        {
            app.MapPost(path, (Delegate)Embed).Accepts<OpenAIRequest>("application/json")
                .Produces<OpenAIAnswer>().Errors<OpenAIErrorAnswer>().WithSummary("Vectors of sequences, of length 1").WithTags("OpenAI");
        }
    }

    private Task Embed(HttpContext http) => route.Run(http, isOpenAI: true, ServerJson.Default.OpenAIRequest,
        async (request, admitted, cancellation) =>
        {
            bool base64 = request.EncodingFormat switch
            {
                null or "float" => false,
                "base64" => true,
                _ => throw RequestFault.Invalid("encoding_format is float or base64", "encoding_format"),
            };
            VectorWriter.CheckWidth(request.Dimensions, model.Model.HiddenSize);
            Embedded embedded = await requests.Embed(request.Input.All, truncate: false, admitted, "input", cancellation);
            VectorWriter.Normalize(embedded.Vectors);
            await VectorWriter.WriteOpenAI(http, embedded.Vectors, base64, options.ModelId, embedded.Tokens, cancellation);
        });
}
