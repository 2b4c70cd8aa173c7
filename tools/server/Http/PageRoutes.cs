using System.Reflection;
using System.Text;
using Dnabert2.Interpretation;
using Dnabert2.Server.Serving;

namespace Dnabert2.Server.Http;

/// <summary>The page, and what it alone asks for.</summary>
internal sealed class PageRoutes(ComputeRoute route, Requests requests)
{
    private static readonly (string Path, string Resource, string Type)[] Files =
    [
        ("/", "index.html", "text/html; charset=utf-8"), ("/page.js", "page.js", "text/javascript; charset=utf-8"),
        ("/page.css", "page.css", "text/css; charset=utf-8"),
    ];

    /// <summary>Adds them to a server.</summary>
    public void Map(IEndpointRouteBuilder app)
    {
        foreach ((string path, string resource, string type) in Files)
        {
            byte[] content = Read(resource);
            app.MapGet(path, (HttpContext http) =>
            {
                // Scripts and styles are files of this server, and nothing else is loaded or sent to.
                http.Response.Headers.ContentSecurityPolicy =
                    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; "
                    + "form-action 'none'; frame-ancestors 'none'";
                http.Response.Headers.CacheControl = "no-cache";
                return Results.Bytes(content, type);
            }).ExcludeFromDescription();
        }

        app.MapPost("/attribute", (Delegate)Attribute).Accepts<AttributeRequest>("application/json").Produces<AttributeAnswer>().Errors()
            .WithSummary("For each base, the effect of every substitution on a class, or on the likelihood").WithTags("DNABERT-2");
    }

    private Task Attribute(HttpContext http) => route.Run(http, isOpenAI: false, ServerJson.Default.AttributeRequest,
        async (request, _, cancellation) =>
        {
            (SubstitutionEffects effects, string target) = await requests.Attribute(request.Inputs, request.Class, cancellation);
            var rows = new List<float?[]>(effects.Bases.Length);
            foreach (float[] row in effects.Effects.ToArray().Chunk(4))
                rows.Add([.. row.Select(effect => float.IsNaN(effect) ? (float?)null : effect)]);
            var answer = new AttributeAnswer(target, effects.Class, Encoding.ASCII.GetString(effects.Bases.Span), rows);
            await http.Response.WriteAsJsonAsync(answer, ServerJson.Default.AttributeAnswer, null, cancellation);
        });

    private static byte[] Read(string resource)
    {
        using Stream stream = Assembly.GetExecutingAssembly().GetManifestResourceStream(resource)!;
        byte[] content = new byte[stream.Length];
        stream.ReadExactly(content);
        return content;
    }
}
