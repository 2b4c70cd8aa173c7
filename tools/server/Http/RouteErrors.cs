namespace Dnabert2.Server.Http;

/// <summary>What the description of a route says of its errors.</summary>
internal static class RouteErrors
{
    private static readonly int[] Statuses =
    [
        StatusCodes.Status400BadRequest, StatusCodes.Status401Unauthorized, StatusCodes.Status413PayloadTooLarge,
        StatusCodes.Status415UnsupportedMediaType, StatusCodes.Status422UnprocessableEntity, StatusCodes.Status424FailedDependency,
        StatusCodes.Status429TooManyRequests, StatusCodes.Status503ServiceUnavailable,
    ];

    /// <summary>The errors of a route that computes.</summary>
    public static RouteHandlerBuilder Errors(this RouteHandlerBuilder route) => route.Errors<ErrorAnswer>();

    /// <summary>The errors of a route that computes, in another form.</summary>
    public static RouteHandlerBuilder Errors<T>(this RouteHandlerBuilder route)
    {
        foreach (int status in Statuses) route.Produces<T>(status);
        return route;
    }
}
