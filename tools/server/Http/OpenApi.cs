using System.Reflection;
using Microsoft.AspNetCore.OpenApi;
using Microsoft.OpenApi;

namespace Dnabert2.Server.Http;

/// <summary>The description of the routes, <c>/openapi.json</c>.</summary>
internal static class OpenApi
{
    /// <summary>Adds what makes it.</summary>
    public static void Add(IServiceCollection services) => services.AddOpenApi("v1", options =>
    {
        options.AddDocumentTransformer((document, _, _) =>
        {
            document.Info = new OpenApiInfo
            {
                Title = "DNABERT-2",
                Version = Assembly.GetExecutingAssembly().GetName().Version!.ToString(3),
                Description = "Vectors, classes and tokens of DNA sequences, by the routes of text-embeddings-inference and OpenAI.",
            };
            return Task.CompletedTask;
        });
        options.AddSchemaTransformer((schema, context, _) =>
        {
            // These have converters of their own, which say nothing of what they read.
            Type type = context.JsonTypeInfo.Type;
            if (type == typeof(Sequences)) schema.OneOf = [Text(), List(Text())];
            if (type == typeof(SequencePairs)) schema.OneOf = [Text(), List(Text(), 2), List(List(Text(), 2))];
            return Task.CompletedTask;
        });
    });

    /// <summary>What a status without a body says.</summary>
    public static RequestFault FaultOf(int status) => new(status, FaultKind.Validation, status switch
    {
        StatusCodes.Status404NotFound => "there is no such route; /openapi.json lists them",
        StatusCodes.Status405MethodNotAllowed => "the route has no such method; /openapi.json lists them",
        StatusCodes.Status415UnsupportedMediaType => "the body is to be JSON: Content-Type: application/json",
        _ => $"status {status}",
    });

    private static OpenApiSchema Text() => new() { Type = JsonSchemaType.String };

    private static OpenApiSchema List(OpenApiSchema of, int? most = null) =>
        new() { Type = JsonSchemaType.Array, Items = of, MinItems = 1, MaxItems = most };
}
