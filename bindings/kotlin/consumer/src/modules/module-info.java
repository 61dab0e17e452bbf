/** The program as a module: an automatic module brings no others along, so those of Kotlin are required too. */
module consumer {
    requires io.github.skipclient;
    requires kotlin.stdlib;
    requires kotlinx.coroutines.core;
}
