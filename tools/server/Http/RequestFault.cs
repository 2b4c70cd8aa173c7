namespace Dnabert2.Server.Http;

/// <summary>What text-embeddings-inference calls the kinds of errors; <c>Authentication</c> is ours.</summary>
internal enum FaultKind
{
    Validation,
    Empty,
    Overloaded,
    Backend,
    Unhealthy,
    Authentication,
}

/// <summary>Why a request is not answered as it wishes.</summary>
/// <param name="status">The HTTP status.</param>
/// <param name="kind">What kind of error it is.</param>
/// <param name="message">What is wrong, and the way out.</param>
internal sealed class RequestFault(int status, FaultKind kind, string message) : Exception(message)
{
    public int Status => status;

    public FaultKind Kind => kind;

    /// <summary>OpenAI's code of the error, where there is one.</summary>
    public string? Code { get; init; }

    /// <summary>The field of the request that is at fault, where it is one.</summary>
    public string? Field { get; init; }

    /// <summary>When it may be tried again.</summary>
    public TimeSpan? RetryAfter { get; init; }

    /// <summary>A request that makes no sense.</summary>
    public static RequestFault Invalid(string message, string? field = null) =>
        new(StatusCodes.Status422UnprocessableEntity, FaultKind.Validation, message) { Field = field };

    /// <summary>A request without anything to compute.</summary>
    public static RequestFault Empty(string message, string? field = null) =>
        new(StatusCodes.Status400BadRequest, FaultKind.Empty, message) { Field = field };

    /// <summary>A request that is larger than what is ever taken.</summary>
    public static RequestFault TooLarge(string message, string? code = null, string? field = null) =>
        new(StatusCodes.Status413PayloadTooLarge, FaultKind.Validation, message) { Code = code, Field = field };

    /// <summary>A request for which there is no room now.</summary>
    public static RequestFault Overloaded(string message, TimeSpan retryAfter) =>
        new(StatusCodes.Status429TooManyRequests, FaultKind.Overloaded, message)
        { Code = "rate_limit_exceeded", RetryAfter = retryAfter };

    /// <summary>A request that this model cannot answer, or has failed to.</summary>
    public static RequestFault Backend(string message) =>
        new(StatusCodes.Status424FailedDependency, FaultKind.Backend, message);

    /// <summary>A request that was not answered in time.</summary>
    public static RequestFault TimedOut(TimeSpan limit) =>
        new(StatusCodes.Status503ServiceUnavailable, FaultKind.Overloaded, $"the request was not done within {limit.TotalSeconds} s")
        { Code = "timeout", RetryAfter = TimeSpan.FromSeconds(1) };
}
