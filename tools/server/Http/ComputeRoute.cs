using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Dnabert2.Server.Serving;
using Microsoft.AspNetCore.Connections;

namespace Dnabert2.Server.Http;

/// <summary>What all routes that compute have in common: limits, the body, and an answer to whatever goes wrong.</summary>
internal sealed partial class ComputeRoute(
    ServerOptions options, Admission admission, ServerMeter meter, IHostApplicationLifetime lifetime, ILogger<ComputeRoute> logger)
{
    /// <summary>Answers a request.</summary>
    /// <param name="http">The request.</param>
    /// <param name="isOpenAI">Whether errors have OpenAI's form.</param>
    /// <param name="type">The form of the body.</param>
    /// <param name="answer">Computes and writes the answer; of the body, within what was admitted, until the token ends it.</param>
    public async Task Run<T>(
        HttpContext http, bool isOpenAI, JsonTypeInfo<T> type, Func<T, Admission.Admitted, CancellationToken, Task> answer)
    {
        using var time = CancellationTokenSource.CreateLinkedTokenSource(http.RequestAborted);
        time.CancelAfter(options.Timeout);
        try
        {
            using Admission.Admitted admitted = admission.Admit();
            T request = await Body.Read(http.Request, type, admitted, time.Token);
            await answer(request, admitted, time.Token);
        }
        catch (Exception e)
        {
            if (http.RequestAborted.IsCancellationRequested || e is ConnectionResetException or ConnectionAbortedException)
            {
                // Nobody is there to be told. Its body may say so before the request does, and is not read on.
                http.Abort();
                return;
            }

            RequestFault fault = FaultOf(e);
            if (fault.Kind == FaultKind.Overloaded) meter.NoteRefused(fault.Status);
            if (http.Response.HasStarted) http.Abort();
            else await Write(http, fault, isOpenAI);
        }
    }

    /// <summary>Writes an error.</summary>
    public static async Task Write(HttpContext http, RequestFault fault, bool isOpenAI)
    {
        http.Response.Clear();
        // To OpenAI's clients a request that makes no sense is a bad one.
        http.Response.StatusCode =
            isOpenAI && fault.Status == StatusCodes.Status422UnprocessableEntity ? StatusCodes.Status400BadRequest : fault.Status;
        if (fault.RetryAfter is { } wait)
            http.Response.Headers.RetryAfter = Math.Ceiling(wait.TotalSeconds).ToString(CultureInfo.InvariantCulture);
        if (fault.Kind == FaultKind.Authentication) http.Response.Headers.WWWAuthenticate = "Bearer";
        // What is left of a body that was refused is not read.
        if (fault.Status == StatusCodes.Status413PayloadTooLarge) http.Response.Headers.Connection = "close";
        if (isOpenAI)
        {
            string type = fault.Kind switch
            {
                FaultKind.Overloaded => "rate_limit_error",
                FaultKind.Authentication => "authentication_error",
                FaultKind.Backend or FaultKind.Unhealthy => "server_error",
                _ => "invalid_request_error",
            };
            var error = new OpenAIError(fault.Message, type, fault.Field, fault.Code);
            await http.Response.WriteAsJsonAsync(new OpenAIErrorAnswer(error), ServerJson.Default.OpenAIErrorAnswer);
            return;
        }

        await http.Response.WriteAsJsonAsync(new ErrorAnswer(fault.Message, fault.Kind.ToString()), ServerJson.Default.ErrorAnswer);
    }

    private RequestFault FaultOf(Exception e)
    {
        switch (e)
        {
            case RequestFault fault: return fault;
            case OperationCanceledException when lifetime.ApplicationStopping.IsCancellationRequested:
                return new RequestFault(StatusCodes.Status503ServiceUnavailable, FaultKind.Unhealthy, "the server is ending");
            case OperationCanceledException: return RequestFault.TimedOut(options.Timeout);
            case BadHttpRequestException { StatusCode: StatusCodes.Status413PayloadTooLarge }:
                return RequestFault.TooLarge($"the body has more than {options.MaxBodyBytes:N0} bytes; send fewer sequences at once");
            case BadHttpRequestException bad: return new RequestFault(bad.StatusCode, FaultKind.Validation, bad.Message);
            case InvalidDataException or ArgumentException: return RequestFault.Invalid(e.Message);
            case NotFiniteNumberException: return RequestFault.Backend(e.Message);
            default:
                LogFailed(logger, e);
                return new RequestFault(
                    StatusCodes.Status500InternalServerError, FaultKind.Backend, "this should not have happened; the log says where");
        }
    }

    [LoggerMessage(Level = LogLevel.Error, Message = "A request failed")]
    private static partial void LogFailed(ILogger logger, Exception exception);
}
